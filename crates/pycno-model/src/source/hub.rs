//! Checkpoints on the Hugging Face hub.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hf_hub::{
    Cache, Repo, RepoType,
    api::sync::{ApiBuilder, ApiError, ApiRepo},
};

use super::{Remote, Source};
use crate::{
    ModelError,
    hf::read::{CARRIED, CONFIG, INDEX, WEIGHTS, weights_files},
};

/// Takes the folder from the cache, or downloads what a checkpoint needs into it.
///
/// # Errors
///
/// [`ModelError::Hub`], naming the file; [`ModelError::Malformed`] if the repository has no weights that
/// can be read.
///
/// # Panics
///
/// If the source is no repository.
pub(super) fn fetch(source: &Source, remote: &Remote) -> Result<PathBuf, ModelError> {
    let Source::Hub { repo, revision } = source else { unreachable!("{source} is no repository") };
    let place = Repo::with_revision(repo.clone(), RepoType::Model, revision.clone());
    let cache = Cache::new(remote.cache.join("hub"));
    // The config comes last, so that its presence says the download was finished.
    if let Some(config) = cache.repo(place.clone()).get(CONFIG) {
        return Ok(parent(&config));
    }
    let mut builder =
        ApiBuilder::from_cache(cache).with_progress(false).with_token(remote.hub_token.clone());
    if let Some(endpoint) = &remote.hub_endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let failed = |file: &str| {
        let (repo, file) = (format!("{repo}@{revision}"), file.to_owned());
        |source| ModelError::Hub { repo, file, source: Box::new(source) }
    };
    let api = builder.build().map_err(failed("the client"))?.repo(place);
    let listed: BTreeSet<String> = api
        .info()
        .map_err(failed("the list of files"))?
        .siblings
        .into_iter()
        .map(|file| file.rfilename)
        .collect();
    download(&api, &listed).map_err(|(file, source)| failed(&file)(source))?
}

type Failed = (String, ApiError);

/// Carried files, weights, config, in this order; the inner error is about the files' content.
fn download(
    api: &ApiRepo,
    listed: &BTreeSet<String>,
) -> Result<Result<PathBuf, ModelError>, Failed> {
    let get = |file: &str| api.get(file).map_err(|source| (file.to_owned(), source));
    for file in CARRIED.iter().filter(|file| listed.contains(**file)) {
        get(file)?;
    }
    let first = if listed.contains(WEIGHTS) { WEIGHTS } else { INDEX };
    let folder = parent(&get(first)?);
    match weights_files(&folder) {
        Ok(files) => files.iter().try_for_each(|file| get(file).map(drop))?,
        Err(error) => return Ok(Err(error)),
    }
    get(CONFIG)?;
    Ok(Ok(folder))
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(file).to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;

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
}
