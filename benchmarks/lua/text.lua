-- text.lua: the words of a real text are counted, and a new text is spun from their pairs.
-- Strings of all lengths, tables that grow by doubling, sorting.

local size, seed = ...
math.randomseed(seed)

local candidates = {
  '/usr/share/common-licenses/GPL-3',
  '/usr/share/common-licenses/GPL-2',
  '/usr/share/doc/libc6/copyright',
}

local function made_up()
  local words = {}
  for i = 1, 6000 do
    local letters = {}
    for j = 1, math.random(1, 9) do letters[j] = string.char(math.random(97, 122)) end
    words[i] = table.concat(letters)
  end
  return table.concat(words, ' ')
end

local function read_text()
  for _, path in ipairs(candidates) do
    local file = io.open(path, 'r')
    if file then
      local text = file:read('a')
      file:close()
      return text
    end
  end
  return made_up()
end

local function split(text)
  local words = {}
  for word in text:lower():gmatch('%a+') do words[#words + 1] = word end
  return words
end

local function count(words)
  local counts = {}
  for _, word in ipairs(words) do counts[word] = (counts[word] or 0) + 1 end
  return counts
end

local function ranking(counts)
  local rows = {}
  for word, number in pairs(counts) do rows[#rows + 1] = { word = word, number = number } end
  table.sort(rows, function(a, b)
    if a.number ~= b.number then return a.number > b.number end
    return a.word < b.word
  end)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = string.format('%5d %s', row.number, row.word) end
  return table.concat(lines, '\n')
end

local function followers(words)
  local after = {}
  for i = 1, #words - 1 do
    local pair = words[i]
    after[pair] = after[pair] or {}
    table.insert(after[pair], words[i + 1])
  end
  return after
end

local function spin(words, after, length)
  local out, word = {}, words[1]
  local line = ''
  for _ = 1, length do
    if #line + #word > 72 then
      out[#out + 1] = line
      line = ''
    end
    line = line == '' and word or line .. ' ' .. word
    local choices = after[word] or { words[1] }
    word = choices[math.random(#choices)]
  end
  out[#out + 1] = line
  return table.concat(out, '\n')
end

local function hash(text)
  local h = 5381
  for i = 1, #text do h = (h * 33 + text:byte(i)) & 0xffffffff end
  return h
end

local text, sum = read_text(), 0
for round = 1, size do
  local words = split(text)
  sum = (sum * 31 + hash(ranking(count(words)))) & 0xffffffff
  sum = (sum * 31 + hash(spin(words, followers(words), 8000))) & 0xffffffff
end
return string.format('%08x', sum)
