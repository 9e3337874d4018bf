//! Downloads from the Hugging Face hub, played by a server on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

use pycno_model::source::{Remote, Source};

const FILES: [(&str, &str); 3] =
    [("config.json", "{}"), ("model.safetensors", "weights"), ("README.md", "never asked for")];

/// Answers one request as the hub does; a range is answered from its start to the end.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    let lines: Vec<String> = BufReader::new(&stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|l| !l.is_empty())
        .collect();
    let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let head = lines.iter().any(|line| line.to_lowercase() == "range: bytes=0-0");
    let (status, extra, body) = if path == "/api/models/o/n/revision/v1" {
        let names: Vec<String> =
            FILES.iter().map(|(name, _)| format!("{{\"rfilename\":\"{name}\"}}")).collect();
        (
            "200 OK",
            String::new(),
            format!("{{\"sha\":\"c0ffee\",\"siblings\":[{}]}}", names.join(",")),
        )
    } else if let Some((name, content)) =
        FILES.iter().find(|(name, _)| path == format!("/o/n/resolve/v1/{name}"))
    {
        let size = content.len();
        let extra = format!(
            "ETag: \"e-{name}\"\r\nX-Repo-Commit: c0ffee\r\nContent-Range: bytes 0-0/{size}\r\n"
        );
        let body = if head { &content[..1] } else { content };
        ("206 Partial Content", extra, body.to_owned())
    } else {
        ("404 Not Found", String::new(), String::new())
    };
    let length = body.len();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{extra}\r\n{body}"
    )
}

/// A hub on loopback that lives until the test's process ends.
fn hub(cache: &Path) -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(answer));
    Remote { hub_endpoint: Some(endpoint), ..Remote::new(cache) }
}

#[test]
fn a_repository_is_fetched_once_and_then_kept() {
    let place = tempfile::tempdir().unwrap();
    let source: Source = "hf:o/n@v1".parse().unwrap();
    let remote = hub(place.path());
    let folder = source.fetch(&remote).unwrap();
    for (name, content) in &FILES[..2] {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), *content);
    }
    assert!(!folder.join("README.md").exists());
    let gone = Remote { hub_endpoint: Some("http://127.0.0.1:1".to_owned()), ..remote };
    assert_eq!(source.fetch(&gone).unwrap(), folder);
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let source: Source = "hf:o/other".parse().unwrap();
    let message = source.fetch(&hub(place.path())).unwrap_err().to_string();
    assert!(message.contains("o/other@main") && message.contains("list of files"), "{message}");
}
