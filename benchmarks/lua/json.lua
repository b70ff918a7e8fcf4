-- json.lua: records are made, written as JSON, read back and compared.
-- Many short strings, many small tables, much concatenation.

local size, seed = ...
math.randomseed(seed)

-- ---- Writing ----

local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n', ['\t'] = '\\t' }

local write -- forward

local function write_string(out, text)
  out[#out + 1] = '"' .. text:gsub('["\\\n\t]', escapes) .. '"'
end

local function write_array(out, array)
  out[#out + 1] = '['
  for i, item in ipairs(array) do
    if i > 1 then out[#out + 1] = ',' end
    write(out, item)
  end
  out[#out + 1] = ']'
end

local function sorted_keys(object)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function write_object(out, object)
  out[#out + 1] = '{'
  for i, key in ipairs(sorted_keys(object)) do
    if i > 1 then out[#out + 1] = ',' end
    write_string(out, key)
    out[#out + 1] = ':'
    write(out, object[key])
  end
  out[#out + 1] = '}'
end

function write(out, value)
  local kind = type(value)
  if kind == 'string' then write_string(out, value)
  elseif kind == 'table' then
    if value[1] ~= nil or next(value) == nil then write_array(out, value) else write_object(out, value) end
  else out[#out + 1] = tostring(value) end
end

local function encode(value)
  local out = {}
  write(out, value)
  return table.concat(out)
end

-- ---- Reading ----

local unescapes = { ['"'] = '"', ['\\'] = '\\', n = '\n', t = '\t' }

local read -- forward

local function read_string(text, at)
  local pieces, from = {}, at + 1
  while true do
    local stop = text:find('["\\]', from)
    pieces[#pieces + 1] = text:sub(from, stop - 1)
    if text:byte(stop) == 34 then return table.concat(pieces), stop + 1 end
    pieces[#pieces + 1] = unescapes[text:sub(stop + 1, stop + 1)]
    from = stop + 2
  end
end

local function read_array(text, at)
  local array = {}
  at = at + 1
  while text:byte(at) ~= 93 do
    array[#array + 1], at = read(text, at)
    if text:byte(at) == 44 then at = at + 1 end
  end
  return array, at + 1
end

local function read_object(text, at)
  local object = {}
  at = at + 1
  while text:byte(at) ~= 125 do
    local key
    key, at = read_string(text, at)
    object[key], at = read(text, at + 1)
    if text:byte(at) == 44 then at = at + 1 end
  end
  return object, at + 1
end

function read(text, at)
  local first = text:byte(at)
  if first == 34 then return read_string(text, at) end
  if first == 91 then return read_array(text, at) end
  if first == 123 then return read_object(text, at) end
  local word = text:match('^[%w.+-]+', at)
  if word == 'true' then return true, at + 4 end
  if word == 'false' then return false, at + 5 end
  return math.tointeger(word) or tonumber(word), at + #word
end

-- ---- Records ----

local function word()
  local letters = {}
  for i = 1, math.random(3, 12) do letters[i] = string.char(math.random(97, 122)) end
  return table.concat(letters)
end

local function record(id)
  local tags, items = {}, {}
  for i = 1, math.random(1, 6) do tags[i] = word() end
  for i = 1, math.random(1, 5) do
    items[i] = { sku = word():upper(), count = math.random(1, 99), price = math.random(1, 99999) }
  end
  return {
    id = id,
    name = word() .. ' "' .. word() .. '"\n',
    active = math.random() < 0.5,
    tags = tags,
    order = { items = items, address = { street = word(), city = word(), zip = math.random(10000, 99999) } },
  }
end

local function hash(text)
  local h = 5381
  for i = 1, #text do h = (h * 33 + text:byte(i)) & 0xffffffff end
  return h
end

local sum = 0
for round = 1, size do
  local records = {}
  for id = 1, 1500 do records[id] = record(id) end
  local text = encode(records)
  local again = encode((read(text, 1)))
  assert(text == again, 'what was read is not what was written')
  sum = (sum * 31 + hash(text)) & 0xffffffff
end
return string.format('%08x', sum)
