//! Replies that are no answer, in the shapes that servers give them: what is told, and whether the request is tried again.

use std::time::Duration;

use finemem::reason::completion::{Completion, read};
use finemem::reason::{Message, Reason, Role, Server};
use serde_json::{Value, json};

use crate::common::fake::{Act, Fake, completion, ok};

/// Status, body, what the message is, whether it passes. Written after the documents and sources of the servers named.
const REFUSALS: &[(u16, &str, &str, bool)] = &[
    // OpenAI.
    (
        401,
        r#"{"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}"#,
        "Incorrect API key provided. (invalid_request_error, invalid_api_key)",
        false,
    ),
    (
        429,
        r#"{"error": {"message": "Rate limit reached for requests", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}"#,
        "Rate limit reached for requests (rate_limit_exceeded)",
        true,
    ),
    (
        429,
        r#"{"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota", "code": "insufficient_quota"}}"#,
        "You exceeded your current quota. (insufficient_quota)",
        true,
    ),
    (
        500,
        r#"{"error": {"message": "The server had an error", "type": "server_error", "code": null}}"#,
        "The server had an error (server_error)",
        true,
    ),
    // OpenRouter.
    (
        200,
        r#"{"error": {"message": "Provider returned error: rate limited upstream", "code": 429}}"#,
        "Provider returned error: rate limited upstream (429)",
        true,
    ),
    (
        200,
        r#"{"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "{\"error\":{\"message\":\"model crashed\"}}", "provider_name": "X"}}, "user_id": "u"}"#,
        "Provider returned error: model crashed (502)",
        true,
    ),
    (200, r#"{"error": {"message": "No endpoints found for m", "code": 404}}"#, "No endpoints found for m (404)", false),
    (402, r#"{"error": {"message": "Insufficient credits", "code": 402}}"#, "Insufficient credits", false),
    (
        200,
        r#"{"id": "g", "choices": [{"index": 0, "finish_reason": "error", "message": {"role": "assistant", "content": "Os"}, "error": {"code": 500, "message": "upstream hung up"}}]}"#,
        "upstream hung up (500)",
        true,
    ),
    // vLLM before and after 0.10, SGLang, FastAPI.
    (
        400,
        r#"{"object": "error", "message": "This model's maximum context length is 4096 tokens.", "type": "BadRequestError", "param": null, "code": 400}"#,
        "This model's maximum context length is 4096 tokens. (BadRequestError)",
        false,
    ),
    (
        404,
        r#"{"error": {"message": "The model `m` does not exist.", "type": "NotFoundError", "param": "model", "code": 404}}"#,
        "The model `m` does not exist. (NotFoundError)",
        false,
    ),
    (
        200,
        r#"{"object": "error", "message": "", "type": "InternalServerError", "param": null, "code": 500}"#,
        "InternalServerError, 500",
        true,
    ),
    (404, r#"{"detail": "Not Found"}"#, "Not Found", false),
    (
        422,
        r#"{"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required", "input": {}}, {"type": "float_parsing", "loc": ["body", "top_p"], "msg": "Input should be a valid number", "input": "high"}]}"#,
        "Field required at body.messages: Input should be a valid number at body.top_p (missing, float_parsing)",
        false,
    ),
    (200, r#"{"detail": "Service temporarily unavailable"}"#, "Service temporarily unavailable", true),
    // llama.cpp, Ollama, TGI, LM Studio, KoboldCpp.
    (
        503,
        r#"{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}"#,
        "Loading model (unavailable_error)",
        true,
    ),
    (404, r#"{"error": "model 'm' not found, try pulling it first"}"#, "model 'm' not found, try pulling it first", false),
    (
        200,
        r#"{"error": "an error was encountered while running the model: timed out"}"#,
        "an error was encountered while running the model: timed out",
        true,
    ),
    (
        424,
        r#"{"error": "Request failed during generation: CUDA out of memory", "error_type": "generation"}"#,
        "Request failed during generation: CUDA out of memory",
        false,
    ),
    (429, r#"{"error": "Model is overloaded", "error_type": "overloaded"}"#, "Model is overloaded", true),
    (400, r#"{"error": "Model is overloaded", "error_type": "overloaded"}"#, "Model is overloaded", true),
    (200, r#"{"error": "No model is loaded"}"#, "No model is loaded", false),
    // Anthropic, Google, AWS, Azure, Mistral, Cohere, MiniMax, Cloudflare.
    (529, r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#, "Overloaded (overloaded_error)", true),
    (
        429,
        r#"[{"error": {"code": 429, "message": "Resource has been exhausted", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}}]"#,
        "Resource has been exhausted (RESOURCE_EXHAUSTED)",
        true,
    ),
    (
        400,
        r#"{"message": "Too many requests, please wait before trying again.", "__type": "ThrottlingException"}"#,
        "Too many requests, please wait before trying again. (ThrottlingException)",
        true,
    ),
    (
        400,
        r#"{"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "code": "content_filter", "message": "The response was filtered", "status": 400}}"#,
        "The response was filtered (content_filter)",
        false,
    ),
    (
        422,
        r#"{"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error"}"#,
        "Extra inputs are not permitted at body.seed (invalid_request_error, extra_forbidden)",
        false,
    ),
    (400, r#"{"message": "invalid request: unknown field"}"#, "invalid request: unknown field", false),
    (200, r#"{"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}"#, "rate limit (1002)", true),
    (
        200,
        r#"{"success": false, "errors": [{"code": 10000, "message": "Authentication error"}], "messages": [], "result": null}"#,
        "Authentication error (10000)",
        false,
    ),
    // Gateways and frameworks: Spring, RFC 9457, Apigee, Django, Kong, AWS.
    (
        503,
        r#"{"timestamp": "2026-01-01", "status": 503, "error": "Service Unavailable", "message": "no healthy upstream", "path": "/v1"}"#,
        "Service Unavailable: no healthy upstream",
        true,
    ),
    (
        403,
        r#"{"type": "about:blank", "title": "Forbidden", "detail": "Your plan has no access", "status": 403}"#,
        "Forbidden: Your plan has no access",
        false,
    ),
    (200, r#"{"type": "about:blank", "title": "Too Many Requests", "status": 429}"#, "Too Many Requests (429)", true),
    (
        500,
        r#"{"fault": {"faultstring": "Body buffer overflow", "detail": {"errorcode": "protocol.http.TooBigBody"}}}"#,
        "Body buffer overflow (protocol.http.TooBigBody)",
        true,
    ),
    (
        400,
        r#"{"errors": {"model": ["This field is required."], "messages": ["Too short."]}}"#,
        "model: This field is required.: messages: Too short.",
        false,
    ),
    (401, r#"{"error": "invalid_token", "error_description": "The token expired"}"#, "invalid_token: The token expired", false),
    (504, r#"{"message": "Endpoint request timed out"}"#, "Endpoint request timed out", true),
    // JSON inside a text, and more than one.
    (200, r#"{"error": "{\"error\": {\"message\": \"quota\", \"code\": 429}}"}"#, "quota (429)", true),
    (400, r#"{"error": {"code": "503", "message": "[\"busy\", \"later\"]"}}"#, "busy: later (503)", true),
    (200, r#"{"error": true, "message": "broken"}"#, "broken", false),
    (200, r#"{"error": {"code": 408}}"#, "408", true),
    (200, r#"{"choices": [], "error": {"message": "nothing left", "type": "server_error"}}"#, "nothing left (server_error)", true),
    (200, r#"{"choices": null, "error": "nothing left"}"#, "nothing left", false),
    (200, r#"{"choices": [{"message": {"content": null}, "finish_reason": "error"}]}"#, "the server ended its answer with an error", true),
    (200, "{\"error\": null, \"choices\": [{\"message\": {\"content\": \"x\"}, \"error\": {\"message\": \"cut\"}}]}", "cut", false),
    // What is no JSON.
    (
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        "an HTML page, 502 Bad Gateway 502 Bad Gateway nginx",
        true,
    ),
    (
        200,
        "<!DOCTYPE html><html><head><style>p { color: red }</style><script>let a = '<b>';</script></head><body><!-- no --><p>Please log in &amp; accept</p></body></html>",
        "the reply is not JSON: an HTML page, Please log in & accept",
        true,
    ),
    (404, "404 page not found", "404 page not found", false),
    (429, "slow down", "slow down", true),
    (
        200,
        "upstream connect error or disconnect/reset before headers",
        "the reply is not JSON: upstream connect error or disconnect/reset before headers",
        true,
    ),
    (200, "", "the reply is empty", true),
    (503, "", "", true),
    (400, "", "", false),
    (
        200,
        "data: {\"choices\": [{\"delta\": {\"content\": \"Os\"}}]}\n\ndata: [DONE]\n",
        "the reply is a stream, which was not asked for: data: {\"choices\": [{\"delta\": {\"content\": \"Os\"}}]}\n\ndata: [DONE]",
        false,
    ),
    (200, "data: {\"error\": {\"message\": \"overloaded\", \"code\": 529}}\n\ndata: [DONE]\n", "overloaded (529)", true),
    (
        200,
        "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n",
        "Overloaded (overloaded_error)",
        true,
    ),
    (
        200,
        "{\"model\": \"m\", \"message\": {\"content\": \"Os\"}, \"done\": false}\n{\"model\": \"m\", \"done\": true}\n",
        "the reply is a stream, which was not asked for: {\"model\": \"m\", \"message\": {\"content\": \"Os\"}, \"done\": false}\n{\"model\": \"m\", \"done\": true}",
        false,
    ),
    (200, "\u{feff}{\"error\": \"with a mark\"}", "with a mark", false),
    // JSON that says nothing.
    (200, "{}", "the reply is not a chat completion, it has no 'choices': {}", false),
    (200, "[1, 2]", "the reply is not a chat completion, it has no 'choices': [1, 2]", false),
    (200, "null", "the reply is not a chat completion, it has no 'choices': null", false),
    (200, "{\"choices\": []}", "the reply is not a chat completion, 'choices' is empty: {\"choices\": []}", false),
    (200, "{\"choices\": null}", "the reply is not a chat completion, 'choices' is not a list: {\"choices\": null}", false),
    (
        200,
        "{\"choices\": [{\"text\": \"x\"}]}",
        "the reply is not a chat completion, its choice has no 'message': {\"choices\": [{\"text\": \"x\"}]}",
        false,
    ),
    (
        200,
        "{\"choices\": [{\"delta\": {}}]}",
        "the reply is not a chat completion, its choice is a part of a stream ('delta'), which was not asked for: {\"choices\": [{\"delta\": {}}]}",
        false,
    ),
    (500, "{}", "{}", true),
];

#[test]
fn the_servers_words_are_told() {
    let wrong = |(status, body, message, temporary): &&(u16, &str, &str, bool)| {
        let refusal = read(*status, body.as_bytes()).expect_err(body);
        let found = (refusal.message.as_str(), refusal.temporary);
        let wrong = found != (*message, *temporary);
        if wrong {
            println!("{status} {body}\n  found {found:?}");
        }
        wrong
    };
    assert_eq!(REFUSALS.iter().filter(wrong).count(), 0, "of {}", REFUSALS.len());
}

/// With a server, and its retries.
#[test]
fn what_passes_is_tried_again() {
    for (status, body, message, temporary) in REFUSALS.iter().filter(|(status, ..)| *status != 424) {
        let fake = Fake::new(move |number, _| if number == 0 { Act::Reply(*status, "", (*body).into()) } else { ok("Oska") });
        let server = Server::with_pause(fake.settings(), Duration::from_millis(1)).unwrap();
        match server.complete(&[vec![Message::new(Role::User, "Where?")]]) {
            Ok(replies) => assert!(*temporary && replies[0].text == "Oska" && fake.count() == 2, "{body}"),
            Err(error) => {
                let shown: String = message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
                assert!(!temporary && fake.count() == 1 && error.to_string().contains(&shown), "{body}: {error}");
            }
        }
    }
}

#[test]
fn counts_cost_only_themselves() {
    let usages = [
        (json!(null), 0, 0),
        (json!({}), 0, 0),
        (json!([]), 0, 0),
        (json!("none"), 0, 0),
        (json!({ "prompt_tokens": 11, "completion_tokens": 3 }), 11, 3),
        (json!({ "prompt_tokens": 11, "completion_tokens": null }), 11, 0),
        (json!({ "prompt_tokens": 11.0, "completion_tokens": 2.6 }), 11, 3),
        (json!({ "prompt_tokens": "11", "completion_tokens": " 3.0 " }), 11, 3),
        (json!({ "prompt_tokens": -1, "completion_tokens": -0.5 }), 0, 0),
        (json!({ "prompt_tokens": "many", "completion_tokens": "" }), 0, 0),
        (json!({ "prompt_tokens": 1e300, "completion_tokens": true }), 0, 0),
        (json!({ "prompt_tokens": [11], "completion_tokens": { "count": 3 } }), 0, 0),
        (json!({ "prompt_tokens": u64::MAX, "completion_tokens": "NaN" }), 0, 0),
    ];
    for (usage, prompt_tokens, completion_tokens) in usages {
        let reply = json!({ "choices": [{ "message": { "content": "Oska" }, "finish_reason": "stop" }], "usage": usage });
        let expected = Completion { text: "Oska".into(), prompt_tokens, completion_tokens, cut: false };
        assert_eq!(read(200, reply.to_string().as_bytes()), Ok(expected), "{usage}");
    }
}

#[test]
fn answers_of_many_shapes() {
    let text = |message: Value| read(200, json!({ "choices": [{ "message": message }] }).to_string().as_bytes()).map(|reply| reply.text);
    for (content, said) in [
        (json!("Oska"), "Oska"),
        (json!(null), ""),
        (json!([]), ""),
        (json!(["Os", "ka"]), "Oska"),
        (json!([{ "type": "text", "text": null }, { "type": "text", "text": "Oska" }]), "Oska"),
        (json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] }, { "type": "text", "text": "Oska" }]), "Oska"),
    ] {
        assert_eq!(text(json!({ "content": content })).as_deref(), Ok(said), "{content}");
    }
    assert_eq!(text(json!({ "reasoning_content": "hm" })).as_deref(), Ok(""));
    assert!(text(json!({ "content": 7 })).unwrap_err().message.contains("neither a text nor a list of parts"));
    let latin = completion("Par\u{e9}s").chars().map(|c| c as u8).collect::<Vec<u8>>();
    assert!(read(200, &latin).unwrap_err().message.starts_with("the reply is not UTF-8 text: {"));
    assert_eq!(read(500, b"caf\xE9").unwrap_err().message, "caf\u{fffd}");
    let list = read(200, format!("[{}]", completion("Oska")).as_bytes()).unwrap_err().message;
    assert!(list.starts_with("the reply is not a chat completion, it has no 'choices': ["), "{list}");
    // Fields that are there for form, and a mark before the JSON.
    let reply = r#"{"error": null, "choices": [{"message": {"content": "Oska"}, "error": {}, "finish_reason": null}]}"#;
    assert_eq!(read(200, format!("\u{feff}{reply}").as_bytes()).map(|reply| reply.text).as_deref(), Ok("Oska"));
    assert_eq!(read(200, completion("Oska").as_bytes()).map(|reply| reply.text).as_deref(), Ok("Oska"));
}
