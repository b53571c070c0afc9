//! Pages: what is in them cannot break them, they need nothing but themselves, and they work in a browser.

use std::path::Path;
use std::process::Command;

use finemem::view::{self, Page};
use serde_json::{Value, json};

use super::browser::Browser;
use super::runs::{HOSTILE, run_folder};

/// What the page holds as data, read back as a browser reads it.
fn data_of(html: &str) -> Value {
    let (_, rest) = html.split_once(r#"<script type="application/json" id="data">"#).expect("a data element");
    let (data, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(data).expect("JSON")
}

fn page(folder: &Path) -> String {
    view::page_of_run(folder).expect("a page").html().expect("HTML")
}

fn section<'a>(data: &'a Value, title: &str) -> &'a Value {
    data["sections"].as_array().expect("sections").iter().find(|one| one["title"] == title).expect(title)
}

#[test]
fn a_page_stands_alone() {
    let folder = run_folder();
    let html = page(folder.path());
    let data = html.split_once("id=\"data\">").and_then(|(_, rest)| rest.split_once("</script>")).expect("data").0;
    let html = html.replace(data, "");
    for (at, _) in html.match_indices("http") {
        let rest = &html[at..];
        let alone = rest.starts_with("http-equiv") || rest.starts_with("http://www.w3.org/2000/svg\"");
        assert!(alone, "a reference to the network: {}", &rest[..rest.len().min(60)]);
    }
    assert!(html.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
    for word in [" src=", "@import", "url(", "fetch(", "XMLHttpRequest", "{{"] {
        assert!(!html.contains(word), "the page has {word}");
    }
}

#[test]
fn hostile_content_stays_content() {
    let folder = run_folder();
    let html = page(folder.path());
    let scripts = html.matches("</script>").count();
    assert_eq!((scripts, html.matches("<script").count()), (2, 2), "nothing opens or ends a script element");
    assert!(!html.contains('\u{2028}') && !html.contains("<img") && !html.contains("<!--"));
    let data = data_of(&html);
    let episode = &section(&data, "Rollouts")["episodes"][0];
    assert_eq!(episode["steps"][0]["chunk"], HOSTILE);
    let long = episode["steps"][1]["chunk"].as_str().expect("a chunk");
    assert!(long.chars().count() < 21_000 && long.ends_with("more characters)"), "{}", long.len());
    let entropy =
        section(&data, "Curves")["charts"].as_array().expect("charts").iter().find(|chart| chart["title"] == "Entropy").expect("it");
    assert_eq!(entropy["series"][0]["y"], json!([0.5, null, 0.25]));
}

#[test]
fn a_memory_is_kept_as_its_changes() {
    let folder = run_folder();
    let data = data_of(&page(folder.path()));
    let episode = &section(&data, "Rollouts")["episodes"][0];
    let content = |i: &Value| episode["items"][i.as_u64().expect("an index") as usize]["content"].clone();
    assert_eq!(episode["items"].as_array().map(Vec::len), Some(3), "every version once");
    let step = |t: usize| &episode["steps"][t];
    assert_eq!((step(0)["add"].as_array().map(Vec::len), step(0)["gone"].as_array().map(Vec::len)), (Some(2), Some(0)));
    assert_eq!((content(&step(1)["add"][0]), content(&step(1)["gone"][0])), (json!("Ann lives in Ulm."), json!("Ann lives in Bonn.")));
    assert_eq!(step(2)["gone"].as_array().map(Vec::len), Some(1));
    assert_eq!(episode["items"][step(1)["add"][0].as_u64().expect("it") as usize]["writes"], json!([1, 2]));
    assert_eq!(episode["memory"].as_array().map(Vec::len), Some(1));
    assert_eq!(episode["rewards"]["terms"]["chunk"], json!([0.5, 0.5, null]));
}

#[test]
fn what_was_destroyed_and_the_alarms_are_shown() {
    let folder = run_folder();
    let path = |name: &str| folder.path().join(name);
    assert!(!page(folder.path()).contains("\"Alarms\""), "a run without alarms.jsonl");
    let lines = "{\"step\":1,\"harm/facts_lost\":0.2,\"harm/talk\":0.5}\n{\"step\":2,\"harm/facts_lost\":0.1}\n";
    std::fs::write(path("metrics.jsonl"), lines).expect("written");
    let alarm = json!({ "step": 2, "name": "facts lost", "text": "10 % of the facts are lost: look at the updates" });
    std::fs::write(path("alarms.jsonl"), format!("{alarm}\n")).expect("written");
    let data = data_of(&page(folder.path()));
    assert_eq!(section(&data, "Alarms")["rows"], json!([["facts lost, from step 2", alarm["text"]]]));
    let charts = section(&data, "Curves")["charts"].as_array().expect("charts");
    let chart = charts.iter().find(|chart| chart["title"] == "Facts destroyed").expect("it");
    assert_eq!((&chart["series"][0]["name"], &chart["series"][0]["y"]), (&json!("facts lost"), &json!([0.2, 0.1])));
    assert!(charts.iter().any(|chart| chart["title"] == "Kept without need"));
    std::fs::write(path("alarms.jsonl"), "{\"step\":2}\n").expect("written");
    let error = view::page_of_run(folder.path()).expect_err("half an alarm").to_string();
    assert!(error.contains("alarms.jsonl: line 1 holds no alarm"), "{error}");
}

#[test]
fn calls_without_tags_are_shown_beside_the_others() {
    let folder = run_folder();
    let data = data_of(&page(folder.path()));
    let step = &section(&data, "Rollouts")["episodes"][0]["steps"][0];
    assert_eq!((&step["untagged"], &step["stray"]), (&json!(2), &json!(3)));
    let charts = section(&data, "Curves")["charts"].as_array().expect("charts");
    let chart = charts.iter().find(|chart| chart["title"] == "Readable and invalid calls").expect("it");
    let untagged = chart["series"].as_array().expect("series").iter().find(|series| series["name"] == "untagged").expect("it");
    assert_eq!(untagged["y"], json!([1.0, 0.5, 0.0]));
    let row = data["sections"].as_array().expect("sections").iter().flat_map(|section| section["rows"].as_array().into_iter().flatten());
    let row = row.into_iter().find(|row| row[0] == "share of untagged calls").expect("a row");
    assert_eq!((&row[1], &row[2]), (&json!(1.0), &json!(0.0)));
}

#[test]
fn a_journal_stands_for_the_memories_of_its_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.html");
    let text = r#"
        local fm = require "finemem"
        local memory, steps, chunks = fm.memory.new {}, {}, {}
        local function step(change)
          local before = memory:items {}
          memory:set_step { step = #steps + 3 }
          change()
          chunks[#chunks + 1] = "chunk " .. #chunks
          steps[#steps + 1] = { chunk = chunks[#chunks], calls = {}, memory_before = before, memory_after = memory:items {} }
        end
        step(function() memory:insert { content = "a" } memory:insert { content = "b", section = "core" } memory:insert { content = "c" } end)
        step(function() memory:update { id = 1, content = "d" } memory:delete { id = 2 } end)
        step(function() end)
        step(function()
          memory:insert { content = "e" }
          memory:update { id = 4, content = "f" }
          memory:insert { content = "g", replaces = 1 }
          memory:insert { content = "not for long" }
          memory:delete { id = 6 }
          memory:close { id = 3 }
        end)
        local answers = { { question = "q", answer = "g", gold = { "g" }, score = 1, evidence = memory:retrieve { query = "g", k = 2 } } }
        local function shown(rollout)
          rollout.answers, rollout.first = answers, 3
          return { title = "e", rollout = rollout }
        end
        return fm.page.write { path = [[PATH]], title = "t", sections = { { kind = "episodes", title = "Episodes", episodes = {
          shown { steps = steps }, shown { chunks = chunks, journal = memory:journal {} } } } } }"#;
    let runtime = finemem_script::Runtime::new(finemem_script::RuntimeOptions::default()).expect("a runtime");
    runtime.evaluate("page.lua", &text.replace("PATH", path.to_str().expect("a path"))).expect("a page");
    let data = data_of(&std::fs::read_to_string(&path).expect("the page"));
    let episodes = data["sections"][0]["episodes"].as_array().expect("episodes");
    let changes = |episode: &Value| -> Vec<[Vec<String>; 2]> {
        let version = |i: &Value| {
            let item = &episode["items"][i.as_u64().expect("an index") as usize];
            ["id", "section", "step", "content", "writes", "replaces"].map(|name| item[name].to_string()).join(" ")
        };
        let sorted = |list: &Value| {
            let mut list: Vec<String> = list.as_array().expect("a list").iter().map(version).collect();
            list.sort();
            list
        };
        episode["steps"].as_array().expect("steps").iter().map(|step| ["add", "gone"].map(|name| sorted(&step[name]))).collect()
    };
    assert_eq!(
        changes(&episodes[0]).iter().map(|step| step.each_ref().map(Vec::len)).collect::<Vec<_>>(),
        [[3, 0], [1, 2], [0, 0], [2, 2]]
    );
    assert_eq!(changes(&episodes[1]), changes(&episodes[0]));
    assert_eq!(
        episodes[1]["items"].as_array().map(Vec::len),
        episodes[0]["items"].as_array().map(Vec::len),
        "evidence is of known versions"
    );
    assert_eq!((&episodes[1]["uncalled"], &episodes[1]["steps"][1]["chunk"]), (&json!(true), &json!("chunk 1")));
    assert!(episodes[0]["uncalled"].is_null());
}

#[test]
fn settings_without_a_value_are_left_out() {
    let folder = run_folder();
    let run = json!({
        "script": "scripts/train.lua", "seed": 7, "device": null, "versions": {}, "resumed": [], "arguments": ["--name", "", "--note", " "],
        "settings": {
            "without": {}, "settings": { "without": {} }, "weights": { "a": null, "b": [], "c": false, "d": "", "e": { "f": {} } }, "empty": "",
            "blank": "  ", "list": [], "nothing": null, "off": false, "seed": 7, "many": ["", null, "x", {}], "rate": 0, "on": true,
            "parts": { "without": { "chunk": true }, "beta": 0.5, "more": null },
        },
    });
    std::fs::write(folder.path().join("run.json"), run.to_string()).expect("written");
    let data = data_of(&page(folder.path()));
    let rows = section(&data, "Run")["rows"].clone();
    let expected = json!([
        ["script", "scripts/train.lua"],
        ["seed", "7"],
        ["arguments", "--name \"\" --note \" \""],
        ["many", "x"],
        ["rate", "0"],
        ["on", "true"],
        ["parts", "without chunk true, beta 0.5"],
        ["steps logged", "3 (1 to 3)"],
    ]);
    assert_eq!(rows, expected);
}

#[test]
fn what_is_missing_or_cut_off_is_said() {
    let folder = run_folder();
    let said = |folder: &Path| view::page_of_run(folder).expect_err("an error").to_string();
    assert!(said(&folder.path().join("no")).contains("no run's folder"));
    let path = |name: &str| folder.path().join(name);
    let metrics = std::fs::read_to_string(path("metrics.jsonl")).expect("metrics");
    std::fs::write(path("metrics.jsonl"), format!("{metrics}{{\"step\":4,\"rew")).expect("written");
    let rollouts = std::fs::read_to_string(path("rollouts.jsonl")).expect("rollouts");
    std::fs::write(path("rollouts.jsonl"), &rollouts[..rollouts.len() - 9]).expect("written");
    let data = data_of(&page(folder.path()));
    assert_eq!(section(&data, "Run")["note"], "Line 4 of metrics.jsonl was not finished and is left out.");
    assert_eq!(section(&data, "Rollouts")["note"], "Line 2 of rollouts.jsonl was not finished and is left out.");
    assert_eq!(section(&data, "Curves")["charts"][0]["series"][0]["x"], json!([1.0, 2.0, 3.0]));

    std::fs::remove_file(path("rollouts.jsonl")).expect("removed");
    assert!(section(&data_of(&page(folder.path())), "Rollouts")["note"].as_str().expect("a note").contains("no rollouts.jsonl"));
    std::fs::write(path("metrics.jsonl"), "").expect("written");
    assert!(page(folder.path()).contains("No step is logged yet."));
    std::fs::write(path("metrics.jsonl"), format!("{{\"step\":4,\"rew\n{metrics}")).expect("written");
    assert!(said(folder.path()).contains("metrics.jsonl: line 1 holds no figures"), "{}", said(folder.path()));
    std::fs::write(path("metrics.jsonl"), "{\"step\":4}\n{\"step\":4}\n").expect("written");
    assert!(said(folder.path()).contains("line 2 holds no figures of a step: step 4 comes after step 4"));
    std::fs::remove_file(path("metrics.jsonl")).expect("removed");
    assert!(said(folder.path()).contains("metrics.jsonl: cannot read"));
    std::fs::write(path("run.json"), "{").expect("written");
    assert!(said(folder.path()).contains("run.json: does not describe a run"));
}

#[test]
fn long_runs_become_means_and_large_ones_are_cut() {
    let folder = run_folder();
    let lines: String = (1..=9000).map(|step| format!("{{\"step\":{step},\"reward\":{step}}}\n")).collect();
    std::fs::write(folder.path().join("metrics.jsonl"), lines).expect("written");
    let line = |step: usize| {
        let chunk = format!("{step} {}", "word ".repeat(3000));
        let steps: Vec<Value> = (0..20).map(|_| json!({ "chunk": chunk, "calls": [] })).collect();
        json!({ "step": step, "rollout": 1, "steps": steps }).to_string() + "\n"
    };
    let lines: String = (1..=100).map(line).collect();
    std::fs::write(folder.path().join("rollouts.jsonl"), lines).expect("written");
    let html = page(folder.path());
    assert!(html.len() < 20 << 20, "{} bytes", html.len());
    let data = data_of(&html);
    let reward = &section(&data, "Curves")["charts"][0]["series"][0];
    assert_eq!((reward["x"].as_array().map(Vec::len), &reward["x"][0], &reward["y"][0]), (Some(1800), &json!(5.0), &json!(3.0)));
    assert!(section(&data, "Run")["note"].as_str().expect("a note").contains("the mean of 5 steps"));
    let rollouts = section(&data, "Rollouts");
    let kept = rollouts["episodes"].as_array().expect("episodes");
    assert!(kept.len() > 20 && kept.len() < 100);
    assert_eq!(kept[kept.len() - 1]["group"], "step 100", "the newest is there");
    let note = format!("The newest {} of 100 rollouts are on this page; rollouts.jsonl has the others.", kept.len());
    assert_eq!(rollouts["note"], note);
}

#[test]
fn charts_and_tables_are_checked() {
    let wrong = |content: Value, said: &str| {
        let mut section = json!({ "title": "it" });
        section.as_object_mut().expect("one").extend(content.as_object().expect("one").clone());
        let page: Page = serde_json::from_value(json!({ "title": "a", "sections": [section] })).expect("a page");
        let text = page.html().expect_err(said).to_string();
        assert!(text.contains(said), "{text}\nnot {said}");
    };
    let chart = |series: Value| json!({ "kind": "charts", "charts": [{ "title": "c", "kind": "lines", "series": [series] }] });
    wrong(
        json!({ "kind": "table", "columns": [{ "name": "a" }], "rows": [[1], [1, 2]] }),
        "sections[1].rows[2] has 2 cells, but there are 1 columns",
    );
    wrong(chart(json!({ "name": "n", "x": [1, 2], "y": [1] })), "sections[1].charts[1].series[1].y has 1 values, and x has 2");
    wrong(chart(json!({ "name": "n", "x": [1, 2], "y": [1, 2], "low": [1] })), ".low has 1 values");
    wrong(chart(json!({ "name": "n", "x": [1, 1], "y": [1, 2] })), "x must ascend, but 1 is followed by 1");
}

#[test]
fn scripts_write_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.html");
    let runtime = || finemem_script::Runtime::new(finemem_script::RuntimeOptions::default()).expect("a runtime");
    let text = super::runs::LUA.replace("PATH", path.to_str().expect("a path"));
    assert_eq!(runtime().evaluate("page.lua", &text).expect("a page"), json!(0));
    let data = data_of(&std::fs::read_to_string(&path).expect("the page"));
    assert_eq!(data["sections"][1]["rows"][0], json!(["flat", { "value": 0.5, "low": 0.4, "high": 0.6 }, 120.0]));
    assert_eq!(data["sections"][2]["charts"][0]["series"][0]["y"], json!([0.1, null, 0.3]));
    assert_eq!(data["sections"][3]["episodes"][0]["unrecorded"], json!(true));
    let fails = |sections: &str, said: &str| {
        let text = format!("require('finemem').page.write {{ path = [[{}]], title = 't', sections = {sections} }}", path.display());
        let error = runtime().evaluate("page.lua", &text).expect_err(said).to_string();
        assert!(error.contains(said) && error.contains("page.lua:1"), "{error}\nnot {said}");
    };
    fails("{ { kind = 'tabel' } }", "must be one of text, facts, table, charts, episodes");
    fails("{ { kind = 'text', txt = 'a' } }", "did you mean 'text'?");
    fails("{ { kind = 'text', text = 'a', rows = {} } }", "'sections[1]' is of kind 'text', which has no 'rows'");
    fails("{ { kind = 'table', rows = {} } }", "'sections[1]' is of kind 'table', which needs 'columns'");
    fails("{ { kind = 'table', columns = { { name = 'a' } }, rows = { { true } } } }", "a cell is a number, a string");
    fails(
        "{ { kind = 'charts', charts = { { title = 'a', kind = 'lines', series = { { name = 'b', x = { 1 }, y = {} } } } } } }",
        "y has 0 values",
    );
}

#[test]
fn the_command_writes_the_page() {
    let folder = run_folder();
    let view = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
        command.arg("view").args(arguments).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().expect("it starts")
    };
    let run = folder.path().to_str().expect("a path");
    let out = view(&[run, "--no-open"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(folder.path().join("view.html").is_file());
    let other = folder.path().join("other/page.html");
    assert!(view(&[run, "--no-open", "--out", other.to_str().expect("a path")]).status.success());
    assert!(other.is_file());
    let out = view(&["absent"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("absent/run.json") && !said.contains("panicked"), "{said}");
}

#[test]
fn pages_work_in_a_browser() {
    let Some(browser) = Browser::find() else { return };
    let folder = run_folder();
    let path = folder.path().join("view.html");
    std::fs::write(&path, page(folder.path())).expect("written");

    let dom = browser.dom(&path, "");
    assert!(dom.contains("Chunk 1 of 3") && dom.contains("&lt;/script&gt;"), "{dom}");
    assert!(dom.matches("<svg").count() >= 6, "the curves are drawn");
    assert!(!dom.contains("NaN") && !dom.contains("undefined"), "a value that is none is shown");

    let dom = browser.dom(&path, "#episode=1&step=2");
    assert!(dom.contains("Chunk 2 of 3") && dom.contains("1 rewritten") && dom.contains("<ins>Ulm.</ins>"), "{dom}");
    let dom = browser.dom(&path, "#episode=1&step=3");
    assert!(dom.contains("1 removed") && dom.contains("there is no tool"), "{dom}");
    let dom = browser.dom(&path, "#episode=1&step=end");
    assert!(dom.contains("Questions at the end") && dom.contains("from step 2"), "{dom}");
    let dom = browser.dom(&path, "#episode=99&step=x");
    assert!(dom.contains("Chunk 1 of"), "a wrong address shows something: {dom}");

    // Keys: two steps forward, one back, and to the next episode.
    let keys = "['ArrowRight','ArrowRight','ArrowLeft'].forEach((key)=>dispatchEvent(new KeyboardEvent('keydown',{key})))";
    let dom = browser.dom_after(&path, keys);
    assert!(dom.contains("Chunk 2 of 3"), "{dom}");
    let dom = browser.dom_after(&path, "dispatchEvent(new KeyboardEvent('keydown',{key:'ArrowRight',shiftKey:true}))");
    assert!(dom.contains("Chunk 1 of 1"), "{dom}");

    let all = folder.path().join("sections.html");
    let text = super::runs::LUA.replace("PATH", all.to_str().expect("a path"));
    let runtime = finemem_script::Runtime::new(finemem_script::RuntimeOptions::default()).expect("a runtime");
    runtime.evaluate("page.lua", &text).expect("a page");
    let dom = browser.dom(&all, "#episode=1&step=end");
    assert!(dom.contains("class=\"band\"") && dom.contains("class=\"area\"") && dom.contains("class=\"whisker\""), "{dom}");
    assert!(dom.contains("Questions at the end") && dom.contains("50.0"), "{dom}");
}
