-- A table of a comparison with an option that there is not. tests/length.lua opens it.

return { seeds = 1, methods = { { name = "one", fact = 3 } } }
