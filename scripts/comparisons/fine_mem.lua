-- What each part of Fine-Mem's reward adds to the outcome alone: the chunk-level step reward (CSR) and evidence-anchored attribution
-- (EARA).

return {
  seeds = 5,
  shared = { rewards = "finemem", steps = 16, episodes = 4 },
  methods = {
    { name = "outcome only", settings = { without = { chunk = true, evidence = true } } },
    { name = "+CSR", settings = { without = { evidence = true } } },
    { name = "+EARA", settings = { without = { chunk = true } } },
    { name = "both" },
  },
}
