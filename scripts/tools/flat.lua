-- The tools of the flat memory, on their own.
return require "designs.flat" {}.tools
