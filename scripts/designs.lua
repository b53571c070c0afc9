-- The memory designs, under the name that scripts outside this folder use.
return require "lib.designs"
