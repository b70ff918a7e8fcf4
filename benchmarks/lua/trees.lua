-- trees.lua: binary trees are built and dropped while one large tree lives on.
-- Tables of one size, and the collector at work all the time.

local size, seed = ...
math.randomseed(seed)

local function build(depth)
  if depth == 0 then return { value = math.random(1, 9) } end
  return { left = build(depth - 1), right = build(depth - 1), value = depth }
end

local function total(tree)
  if tree.left == nil then return tree.value end
  return tree.value + total(tree.left) + total(tree.right)
end

local lasting = build(15)
local sum = 0
for round = 1, size do
  for depth = 4, 14, 2 do
    for _ = 1, 1 << (14 - depth) do sum = (sum * 31 + total(build(depth))) & 0xffffffff end
  end
end
return string.format('%08x', (sum * 31 + total(lasting)) & 0xffffffff)
