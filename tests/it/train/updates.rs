//! Updates as scripts ask for them: losses by name, what rewards may return, groupings, schedules.

use finemem::train::losses::LossName;
use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

/// A trainer of the tiny policy, and a batch of two episodes with two rollouts each.
const MADE: &str = "
    local fm = require 'finemem'
    local function trainer(settings)
        settings.policy = fm.model.load { path = 'models/tiny' }
        settings.tools, settings.prompt, settings.reasoner = require 'tools.flat', require 'prompts.flat', fm.reasoner.extractive {}
        settings.group, settings.max_tokens, settings.seed, settings.lr = 2, 24, 3, settings.lr or 1e-4
        return fm.grpo.new(settings)
    end
    local episodes = {
        { chunks = { 'Ada is here.', 'Bo is there.' }, questions = { { question = 'Who?', answers = { 'Ada' } } } },
        { chunks = { 'Cy paints.' }, questions = {} },
    }
    local rewards = { { 0, 1 }, { 1, 0.5 }, { 0.25 }, { 0.75 } }
";

fn run(text: &str) -> finemem::Result<Value> {
    Runtime::new(RuntimeOptions { device: "cpu".into(), ..RuntimeOptions::default() })?.evaluate("test.lua", &format!("{MADE} {text}"))
}

#[test]
fn every_loss_trains() {
    for name in LossName::NAMES {
        let text = format!(
            "local trainer = trainer {{ loss = '{name}' }}
            local stats
            for _ = 1, 2 do
                stats = trainer:update {{ batch = trainer:rollout {{ episodes = episodes }}, rewards = rewards }}
            end
            return {{ updates = trainer.updates, stats = stats }}"
        );
        let found = run(&text).unwrap();
        let stats = &found["stats"];
        assert_eq!(found["updates"], 2, "{name}");
        assert!(stats["loss"].is_number() && stats["grad_norm"].as_f64().unwrap() > 0.0, "{name}: {stats}");
        assert_eq!(stats.get("kl").is_some(), *name == "grpo", "{name}: {stats}");
        assert_eq!(stats.get("clip_ratio/region_mean").is_some(), !["rloo", "reinforce"].contains(name), "{name}: {stats}");
    }
}

#[test]
fn settings_of_a_loss_can_be_replaced() {
    let found = run("local trainer = trainer {
            loss = 'gspo', ratio = 'token', clip_low = 0.1, clip_high = 0.3, dual_clip = 4, aggregation = 'constant',
            baseline = 'leave_one_out', scale_rewards = false, kl_coef = 0.1, kl_estimator = 'k1', kl_in = 'reward', grouping = 'trajectory',
        }
        return trainer:update { batch = trainer:rollout { episodes = episodes }, rewards = rewards }")
    .unwrap();
    // Nothing was trained yet, so that the policy is its own reference.
    assert!(found["kl"].as_f64().unwrap().abs() < 1e-4 && found["loss"].is_number(), "{found}");
    for (settings, said) in [
        ("loss = 'gpro'", "'loss' must be one of verl, grpo, dr_grpo, dapo, gspo, cispo, rloo, reinforce, not the string \"gpro\""),
        ("loss = 'rloo', dual_clip = 3", "'dual_clip' applies only to clipped losses"),
        ("clip_low = -1", "'clip_low' is -1"),
        ("kl_in = 'advantage'", "'kl_in' must be one of loss, reward"),
        ("grouping = 'steps'", "'grouping' must be one of step, instance, trajectory, state"),
    ] {
        let error = run(&format!("trainer {{ {settings} }}")).unwrap_err().to_string();
        assert!(error.contains(said), "{settings}\nsaid {error}\nnot {said}");
    }
}

#[test]
fn rewards_advantages_weights_and_groups() {
    // Figures of one update each, from the same policy and batch.
    let update = |arguments: &str| {
        run(&format!(
            "local trainer = trainer {{ lr = 0, temperature = 2 }}
            local batch = trainer:rollout {{ episodes = episodes }}
            local tokens = {{}}
            for i, rollout in ipairs(batch.rollouts) do
                tokens[i] = {{}}
                for t, step in ipairs(rollout.steps) do
                    tokens[i][t] = {{}}
                    for k = 1, step.tokens do tokens[i][t][k] = k % 2 end
                end
            end
            return trainer:update {{ batch = batch, {arguments} }}"
        ))
    };
    let norm = |arguments: &str| update(arguments).unwrap()["grad_norm"].as_f64().unwrap_or(0.0);
    let plain = norm("rewards = rewards, scale_rewards = false");
    assert!(plain > 0.01, "rollouts of a group that are all alike show nothing: {plain}");
    // By hand: the mean of each step of each episode taken away.
    let by_hand = "advantages = { { -0.5, 0.25 }, { 0.5, -0.25 }, { -0.25 }, { 0.25 } }";
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4 * a.abs().max(1e-3), "{a} is not {b}");
    close(norm(by_hand), plain);
    close(norm("rewards = rewards, scale_rewards = false, groups = { { 'a', 7 }, { 'a', 7 }, { 1 }, { 1 } }"), plain);
    // Rollouts of an episode that began with the same memory: all of them, unless their tables say otherwise.
    close(norm("rewards = rewards, scale_rewards = false, grouping = 'state'"), plain);
    close(2.0 * plain, norm("rewards = rewards, scale_rewards = false, weights = { { 2, 2 }, { 2, 2 }, { 2 }, { 2 } }"));
    assert!((norm("rewards = rewards, scale_rewards = false, weights = tokens") - plain).abs() > 1e-3 * plain);
    assert!((norm("rewards = rewards, scale_rewards = false, grouping = 'trajectory'") - plain).abs() > 1e-3 * plain);
    assert_eq!(norm("rewards = rewards, groups = { { 1, 2 }, { 3, 4 }, { 5 }, { 6 } }"), 0.0);
    let logged = update(&format!("{by_hand}, rewards = rewards")).unwrap();
    assert!((logged["reward"].as_f64().unwrap() - 3.5 / 6.0).abs() < 1e-6, "{logged}");
    assert_eq!(update(by_hand).unwrap().get("reward"), None);

    for (arguments, said) in [
        ("", "needs rewards or advantages"),
        ("rewards = { { 0, 1 }, { 1, 0 / 0 }, { 0 }, { 0 } }", "'rewards[2][2]' must be a number, not NaN"),
        ("rewards = { { 0, 1 }, { 1, 1e300 }, { 0 }, { 0 } }", "the reward of step 2 of rollout 2 is inf"),
        ("rewards = { { 0, 1 }, { 1 }, { 0 }, { 0 } }", "'rewards[2]' has 1 steps, the rollout has 2"),
        ("rewards = { { 0, 1 }, { 1, 1 }, { 0 } }", "'rewards' has 3 rollouts, the batch has 4"),
        ("advantages = { { 0, 1 }, { 1, 1 }, { 0, 1 }, { 0 } }", "'advantages[3]' has 2 steps, the rollout has 1"),
        ("rewards = rewards, weights = { { 1, 1 }, { 1, -1 }, { 1 }, { 1 } }", "a weight of step 2 of rollout 2 is -1"),
        ("rewards = rewards, weights = { { 1, 1 }, { 1, { 1 } }, { 1 }, { 1 } }", "step 2 of rollout 2 has"),
        ("rewards = rewards, weights = { { 1, 1 } }", "'weights' has 1 rollouts, the batch has 4"),
        ("rewards = rewards, groups = { { 1, 1 }, { 1, 1 }, { 1 }, {} }", "'groups[4]' has 0 steps"),
        ("rewards = rewards, groups = rewards, grouping = 'step'", "give only one of them"),
        ("rewards = rewards, grouping = 'steps'", "'grouping' must be one of step, instance, trajectory, state"),
    ] {
        let error = update(arguments).unwrap_err().to_string();
        assert!(error.contains(said), "{arguments}\nsaid {error}\nnot {said}");
    }
}

#[test]
fn rollouts_that_began_with_the_same_memory_are_compared() {
    let text = |states: &str| {
        format!(
            "local trainer = trainer {{ lr = 0, grouping = 'state' }}
            local batch = trainer:rollout {{ episodes = {{ episodes[1] }}, group = 4 }}
            for i, state in ipairs {states} do batch.rollouts[i].state = state end
            return trainer:update {{ batch = batch, rewards = {{ {{ 0, 1 }}, {{ 1, 2 }}, {{ 0, 1 }}, {{ 1, 2 }} }} }}"
        )
    };
    let share = |states: &str| run(&text(states)).unwrap()["frac_reward_zero_std"].as_f64().unwrap();
    // Equal rewards within a state, and steps are not compared with one another.
    assert_eq!(share("{ 'a', 'b', 'a', 'b' }"), 1.0);
    assert_eq!(share("{ 1, 1, 2, 2 }"), 0.0);
    assert_eq!(share("{}"), 0.0);
    assert!(run(&text("{ {} }")).unwrap_err().to_string().contains("'batch.rollouts[1].state' must be a number or a string"));
}

#[test]
fn schedules_are_functions_of_the_step() {
    let values = |schedule: &str, steps: &str| {
        run(&format!("local f, out = fm.schedule.{schedule}, {{}} for i, step in ipairs {steps} do out[i] = f(step) end return out"))
            .unwrap()
    };
    assert_eq!(values("linear { from = 0.9, to = 0.1, steps = 10 }", "{ -1, 0, 5, 10, 11 }"), json!([0.9, 0.9, 0.5, 0.1, 0.1]));
    assert_eq!(values("linear { from = 1, to = 3, steps = 4, start = 2 }", "{ 2, 3, 4, 6, 7 }"), json!([1, 1.5, 2, 3, 3]));
    let cosine = values("cosine { from = 2, to = 0, steps = 4 }", "{ 0, 1, 2, 4, 9 }");
    for (found, expected) in cosine.as_array().unwrap().iter().zip([2.0, 1.0 + 0.5f64.sqrt(), 1.0, 0.0, 0.0]) {
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-12, "{cosine}");
    }
    assert_eq!(values("piecewise { points = { { 1, 8 }, { 10, 16 }, { 20, 32 } } }", "{ 0, 1, 9, 10, 25 }"), json!([8, 8, 8, 16, 32]));
    assert_eq!(values("warm_up { to = 8, steps = 4 }", "{ 0, 1, 4, 5 }"), json!([0, 2, 8, 8]));
    assert_eq!(values("warm_up { to = 8, steps = 0.5 }", "{ 1 }"), json!([8]));
    let composed = "warm_up { to = fm.schedule.linear { from = 8, to = 0, steps = 8 }, steps = 4 }";
    assert_eq!(values(composed, "{ 2, 4, 6, 8 }"), json!([3, 4, 2, 0]));
    assert_eq!(values("warm_up { to = function(step) return step end, steps = 4 }", "{ 2, 4, 6 }"), json!([1, 4, 6]));
    assert_eq!(run("return type(fm.schedule.linear { from = 0, to = 1, steps = 2 })").unwrap(), "function");
    for (text, said) in [
        ("fm.schedule.linear { from = 0, to = 1, steps = 0 }", "'steps' is 0; it must be more than 0"),
        ("fm.schedule.piecewise { points = {} }", "'points' is empty"),
        ("fm.schedule.piecewise { points = { { 1, 2 }, { 1, 3 } } }", "'points[2]' must be at a later step"),
        ("fm.schedule.piecewise { points = { { 1 } } }", "'points[1]' must be a step and a value"),
        ("fm.schedule.linear { from = 0, to = 1, steps = 2 }('x')", "a schedule takes one number, the step"),
        ("fm.schedule.warm_up { to = function() end, steps = 2 }(1)", "returned no number at step 1"),
    ] {
        let error = run(text).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("test.lua:"), "{text}\nsaid {error}\nnot {said}");
    }
}
