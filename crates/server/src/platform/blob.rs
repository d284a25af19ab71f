//! Where slugs are uploaded: an address for each, which whoever made the slug was told.
//!
//! The code is written to disk as it comes, checked, unpacked with nothing in it that could do
//! harm, and only then the slug's. If anything is wrong with it, nothing of it is left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::put;
use bytes::Bytes;
use fabric::slug::{self, Limits, SlugError};
use http_body_util::BodyExt;
use model::{Caller, Slug, SlugId, SystemCommand};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::call::{Answer, Call, Content};
use super::failure::Failure;
use super::headers::RequestIds;
use crate::clock::SystemIds;
use crate::hosting::Upload;
use crate::state::{Origin, State, hex};

/// Bytes that a slug may have, compressed; as Heroku's.
const MOST_BYTES: u64 = 500 << 20;
/// How long a client may send nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the code of a slug is to be put.
pub(super) fn address(call: &Call, slug: SlugId) -> String {
    format!("{}/_blobs/slugs/{slug}?signature={}", call.base, signature(&call.state, slug))
}

/// What whoever may upload a slug's code knows: it follows from the installation's key.
fn signature(state: &State, slug: SlugId) -> String {
    hex(&state.secret.derive("slug-blob", &slug.to_string()))
}

/// The route.
pub(super) fn router(state: Arc<State>) -> Router {
    let upload = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
        upload(Arc::clone(&state), params, request)
    };
    Router::new().route("/_blobs/slugs/{slug}", put(upload))
}

async fn upload(
    state: Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let ids = RequestIds::new(&mut SystemIds, request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map(|info| info.0.ip());
    let origin = Origin { address, request_id: ids.own.clone() };
    let outcome = receive(state, params, request, origin)
        .await
        .map(|value| Answer { status: StatusCode::OK, content: Content::One(value) });
    super::respond(outcome, None, &HeaderMap::new(), &ids, None)
}

async fn receive(
    state: Arc<State>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    origin: Origin,
) -> Result<Value, Failure> {
    let named = params.ok().and_then(|params| Some(params.iter().next()?.1.parse().ok()));
    let id: SlugId = named.flatten().ok_or_else(refused)?;
    check_signature(&state, id, request.uri().query().unwrap_or_default())?;
    let slug = find(&state, id)?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MOST_BYTES) {
        return Err(too_large());
    }
    let upload = state.hosting.start_upload(id).ok_or_else(|| {
        Failure::conflict(
            "This slug's code is being uploaded already, or too many others are. Try again in a \
             moment.",
        )
    })?;
    let mut spool = Spool::start(&state.hosting.slugs, id, upload)?;
    spool.fill(request.into_body()).await?;
    spool.check(&slug)?;
    // What was received is taken in even if the client does not wait for the answer.
    let task = tokio::spawn(take_in(state, spool, slug, origin));
    task.await.map_err(|_| Failure::internal())?
}

fn refused() -> Failure {
    Failure::forbidden(
        "This is not an address that slugs are uploaded to. Make a slug with `POST \
         /apps/APP/slugs`, and use the address in its `blob`.",
    )
}

fn too_large() -> Failure {
    let limit = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    Failure::too_large(limit)
}

fn check_signature(state: &State, slug: SlugId, query: &str) -> Result<(), Failure> {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("signature="));
    let expected = signature(state, slug);
    let same = given.is_some_and(|given| given.as_bytes().ct_eq(expected.as_bytes()).into());
    if same { Ok(()) } else { Err(refused()) }
}

/// The slug, if it waits for its code.
fn find(state: &State, id: SlugId) -> Result<Arc<Slug>, Failure> {
    let world = state.world();
    let slug = world.slug(id).ok_or_else(|| Failure::not_found("slug", "slug"))?;
    match slug.size {
        None => Ok(Arc::clone(slug)),
        Some(_) => Err(Failure::conflict("This slug's code was uploaded already.")),
    }
}

/// Unpacks what was received, and makes it the slug's.
async fn take_in(
    state: Arc<State>,
    spool: Spool,
    slug: Arc<Slug>,
    origin: Origin,
) -> Result<Value, Failure> {
    let (slugs, id, size) = (state.hosting.slugs.clone(), slug.id, spool.size);
    let unpack = move || (unpack(&slugs, &spool.archive(), id), spool);
    let (unpacked, spool) =
        tokio::task::spawn_blocking(unpack).await.map_err(|_| Failure::internal())?;
    let stored = match unpacked {
        Ok(process_types) => {
            let store = SystemCommand::StoreSlug { slug: id, size, process_types };
            state.submit(Caller::System, store, &origin).await.map_err(Failure::from)
        }
        Err(failure) => Err(failure),
    };
    let stored = match stored {
        Ok(stored) => stored,
        Err(failure) => {
            let slugs = state.hosting.slugs.clone();
            let removed = tokio::task::spawn_blocking(move || slug::remove(&slugs, id)).await;
            if !matches!(removed, Ok(Ok(()))) {
                tracing::warn!(slug = %id, "a refused slug is still there; the next start removes it");
            }
            return Err(failure);
        }
    };
    drop(spool);
    let slug = stored.after.slug(id).ok_or_else(Failure::internal)?;
    Ok(json!({ "id": id, "size": size, "process_types": slug.process_types }))
}

/// Unpacks an archive, and reads which processes it has.
fn unpack(slugs: &Path, archive: &Path, id: SlugId) -> Result<BTreeMap<String, String>, Failure> {
    let failed = |error: SlugError| {
        if matches!(error, SlugError::NotAnArchive) {
            return Failure::invalid(
                "The slug cannot be taken: this is not a tar archive, plain or compressed with \
                 gzip, or it is damaged or was cut off.",
            );
        }
        if error.is_of_the_archive() {
            return Failure::invalid(format!("The slug cannot be taken: {}.", chain(&error)));
        }
        tracing::error!(slug = %id, "a slug cannot be unpacked: {}", chain(&error));
        Failure::full()
    };
    // What a crash left of an earlier try might be something else.
    slug::remove(slugs, id).map_err(failed)?;
    let file = File::open(archive).map_err(|error| not_written(archive, &error))?;
    let unpacked = slug::unpack(file, &slug::path(slugs, id), Limits::default()).map_err(failed)?;
    let procfile = unpacked.procfile.unwrap_or_default();
    model::parse_procfile(&procfile)
        .map_err(|error| Failure::invalid(format!("The slug cannot be taken: {error}.")))
}

/// An error with all its reasons.
fn chain(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(error.source(), |reason| reason.source());
    reasons.fold(error.to_string(), |text, reason| format!("{text}: {reason}"))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    tracing::error!(path = %path.display(), %error, "an upload cannot be kept");
    Failure::full()
}

/// What is being received, on disk. It goes with this.
struct Spool {
    dir: PathBuf,
    file: File,
    size: u64,
    hash: Sha256,
    _upload: Upload,
}

impl Spool {
    fn start(slugs: &Path, id: SlugId, upload: Upload) -> Result<Self, Failure> {
        // The dot keeps it apart from slugs, and has the next start remove it after a crash.
        let dir = slugs.join(format!(".{id}.upload"));
        let make = || {
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other?,
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
            let path = dir.join(Self::ARCHIVE);
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        };
        let file = make().map_err(|error| not_written(&dir, &error))?;
        Ok(Self { dir, file, size: 0, hash: Sha256::new(), _upload: upload })
    }

    const ARCHIVE: &str = "archive";

    fn archive(&self) -> PathBuf {
        self.dir.join(Self::ARCHIVE)
    }

    /// Writes a request's body down as it comes: the next part is not read before.
    async fn fill(&mut self, mut body: Body) -> Result<(), Failure> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.map_err(|_| {
                Failure::bad_request("Nothing came for a minute; the upload was given up.")
            })?;
            let Some(frame) = frame else { break };
            let frame = frame
                .map_err(|_| Failure::bad_request("The upload was cut short. Send it again."))?;
            if let Ok(part) = frame.into_data() {
                self.write(&part)?;
            }
        }
        if self.size == 0 {
            return Err(Failure::bad_request("The upload is empty."));
        }
        Ok(())
    }

    fn write(&mut self, part: &Bytes) -> Result<(), Failure> {
        self.size += part.len() as u64;
        if self.size > MOST_BYTES {
            return Err(too_large());
        }
        self.hash.update(part);
        // Small parts into the machine's memory: that takes less time than asking another thread.
        self.file.write_all(part).map_err(|error| not_written(&self.dir, &error))
    }

    /// Compares what was received with what was announced.
    fn check(&self, slug: &Slug) -> Result<(), Failure> {
        let got = hex(&self.hash.clone().finalize());
        match &slug.checksum {
            Some(announced) if *announced != got => Err(Failure::invalid(format!(
                "The slug's checksum was announced as SHA256:{announced}, but what came has \
                 SHA256:{got}. Send it again."
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
