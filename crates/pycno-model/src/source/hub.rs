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
