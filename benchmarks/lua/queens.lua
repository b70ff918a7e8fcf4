-- queens.lua: the N queens by closures and coroutines: each solution comes out of a coroutine through a
-- chain of closures, each of which is made for it.
-- Closures, upvalues, coroutine stacks, small arrays.

local size, seed = ...
math.randomseed(seed)

local function place(n)
  local columns, rising, falling, rows = {}, {}, {}, {}
  local function try(row)
    if row > n then
      coroutine.yield({ table.unpack(rows) })
      return
    end
    for column = 1, n do
      local up, down = row + column, row - column + n
      if not (columns[column] or rising[up] or falling[down]) then
        columns[column], rising[up], falling[down], rows[row] = true, true, true, column
        try(row + 1)
        columns[column], rising[up], falling[down], rows[row] = nil, nil, nil, nil
      end
    end
  end
  return coroutine.wrap(function() try(1) end)
end

local function map(source, fn)
  return function()
    local item = source()
    if item ~= nil then return fn(item) end
  end
end

local function filter(source, wanted)
  return function()
    local item = source()
    while item ~= nil and not wanted(item) do item = source() end
    return item
  end
end

local function fold(source, start, fn)
  local value = start
  for item in source do value = fn(value, item) end
  return value
end

local function mirrored(board)
  local other = {}
  for row, column in ipairs(board) do other[row] = #board + 1 - column end
  return other
end

-- A thousand coroutines alive at once, each a counter, asked in turn.
local function crowd(members, rounds)
  local counters, sum = {}, 0
  for i = 1, members do
    counters[i] = coroutine.wrap(function()
      local state = { at = i }
      while true do
        coroutine.yield(state.at)
        state = { at = state.at + i }
      end
    end)
  end
  for _ = 1, rounds do
    for _, counter in ipairs(counters) do sum = (sum + counter()) & 0xffffffff end
  end
  return sum
end

local sum = 0
for round = 1, size do
  for n = 5, 8 do
    local boards = map(filter(place(n), function(board) return board[1] <= board[#board] end), mirrored)
    sum = fold(boards, sum, function(value, board)
      local text = table.concat(board, ',')
      return (value * 31 + #text + board[1] * 7 + board[#board]) & 0xffffffff
    end)
  end
  sum = (sum * 31 + crowd(1000, 20)) & 0xffffffff
end
return string.format('%08x', sum)
