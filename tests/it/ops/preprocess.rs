//! The shader preprocessor.

use finemem::Result;
use finemem::device::preprocess::{Defines, expand};

fn run(text: &str, defines: Defines<'_>) -> Result<String> {
    expand("shaders/t.wgsl", text, defines, &|name| (name == "common").then_some("fn common() {}\n")).map(|source| source.text)
}

#[test]
fn keeps_and_drops_lines() {
    let text = "#ifdef F16\nhalf\n#else\nfull\n#endif\n#ifndef F16\nno\n#endif\n";
    assert_eq!(run(text, &[("F16", "")]).unwrap(), "half\n");
    assert_eq!(run(text, &[]).unwrap(), "full\nno\n");
}

#[test]
fn imports_once() {
    assert_eq!(run("#import common\n#import common\nx\n", &[]).unwrap(), "fn common() {}\nx\n");
}

#[test]
fn replaces_whole_words() {
    assert_eq!(run("WG WGX aWG 4*WG", &[("WG", "8")]).unwrap(), "8 WGX aWG 4*8\n");
}

#[test]
fn repeats_blocks() {
    let text = "#for i in 0..TM/2\n  #for j in 1..2\nc{i}_{j} = a{4*i + (j-1)} + WG; if x { return; }\n  #end\n#end\n";
    let expected = "c0_1 = a0 + 8; if x { return; }\nc1_1 = a4 + 8; if x { return; }\n";
    assert_eq!(run(text, &[("TM", "4"), ("WG", "8")]).unwrap(), expected);
    assert_eq!(run("#for x in q, k\nload_{x}({x}, {4})\n#end\n", &[]).unwrap(), "load_q(q, 4)\nload_k(k, 4)\n");
}

#[test]
fn errors_name_the_line() {
    for (text, line, what) in [
        ("a\n#ifdef X\n", 2, "#endif"),
        ("#endif", 1, "#ifdef"),
        ("#else", 1, "#ifdef"),
        ("\n\n#for i in 0..2\n", 3, "#end"),
        ("#end", 1, "#for"),
        ("#for i in 0..N\n#end", 1, "integer"),
        ("#for x in q,, k\n#end", 1, "integer"),
        ("#import nothing", 1, "nothing"),
        ("#define X", 1, "not a directive"),
    ] {
        let message = run(text, &[]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("shaders/t.wgsl:{line}:")) && message.contains(what), "{message}");
    }
}

#[test]
fn lines_keep_their_origin() {
    let source = expand("shaders/t.wgsl", "a\n#import common\nb\n", &[], &|_| Some("c\nd\n")).unwrap();
    let origins: Vec<String> = (1..=5).map(|line| source.origin(line)).collect();
    let shared = "shaders/shared/common.wgsl";
    let expected = ["shaders/t.wgsl:1", &format!("{shared}:1"), &format!("{shared}:2"), "shaders/t.wgsl:3", "end of the shader"];
    assert_eq!(origins, expected);
}
