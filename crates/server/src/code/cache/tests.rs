use std::collections::HashMap;

use super::*;

/// A packed slug with one file of so many bytes.
fn packed(name: &str, bytes: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes as u64);
    header.set_mode(0o644);
    let content: Vec<u8> = (0..bytes).map(|n| (n % 250) as u8).collect();
    archive.append_data(&mut header, name, &content[..]).unwrap();
    archive.into_inner().unwrap()
}

fn id(n: u128) -> SlugId {
    SlugId(uuid::Uuid::from_u128(n))
}

/// What breaks off after so many bytes.
struct Cut(io::Cursor<Vec<u8>>, usize);

impl Read for Cut {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::Error::other("the line is cut"));
        }
        let most = buffer.len().min(self.1);
        let read = self.0.read(&mut buffer[..most])?;
        self.1 -= read;
        Ok(read)
    }
}

/// A place with blobs, and what it was asked for.
#[derive(Clone, Default)]
struct Place {
    blobs: Arc<Mutex<HashMap<BlobDigest, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<u64>>>,
    /// After how many bytes each answer breaks off.
    cuts: Arc<Mutex<Vec<usize>>>,
}

impl Place {
    fn put(&self, bytes: &[u8]) -> BlobDigest {
        let digest = BlobDigest::of(bytes);
        self.blobs.lock().unwrap().insert(digest, bytes.to_vec());
        digest
    }

    fn opens(&self) -> Opens {
        let place = self.clone();
        Box::new(move |digest, from| {
            place.asked.lock().unwrap().push(from);
            let blobs = place.blobs.lock().unwrap();
            let Some(bytes) = blobs.get(digest) else { return Ok(None) };
            let cut = place.cuts.lock().unwrap().pop().unwrap_or(usize::MAX);
            let mut content = io::Cursor::new(bytes.clone());
            content.set_position(from);
            Ok(Some(Blob { bytes: bytes.len() as u64, content: Box::new(Cut(content, cut)) }))
        })
    }
}

struct Bench {
    dir: tempfile::TempDir,
    cache: Cache,
    waker: Waker,
    threads: Vec<JoinHandle<()>>,
}

impl Bench {
    fn new(place: &Place, limit: u64, unused: Unused) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(Parts {
            slugs: dir.path().join("slugs"),
            opens: place.opens(),
            place: "the place".to_owned(),
            limit,
            unused,
            replaceable: Box::new(|slug| slug != id(99)),
        });
        let threads = cache.start(&Supervisor::new(|_| ())).unwrap();
        let waker = Waker::new().unwrap();
        cache.wake(waker.clone());
        Self { dir, cache, waker, threads }
    }

    /// Waits until something is so.
    fn until(&self, is: impl Fn() -> bool) {
        let since = Instant::now();
        while !is() {
            assert!(since.elapsed() < Duration::from_secs(20), "it does not come");
            let fds = [(std::os::fd::AsFd::as_fd(&self.waker), os::poll::Interest::Readable)];
            os::poll::wait(&fds, Some(Duration::from_millis(20))).unwrap();
        }
        self.waker.reset();
    }

    fn find(&self, slug: SlugId, digest: &BlobDigest) -> CodeState {
        self.cache.find(slug, Some(&digest.to_string()))
    }

    fn is_here(&self, slug: SlugId) -> bool {
        slug::path(&self.dir.path().join("slugs"), slug).is_dir()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cache.stop();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let left = fs::read_dir(self.dir.path().join("slugs")).into_iter().flatten().flatten();
        for entry in left {
            assert!(!entry.file_name().to_string_lossy().starts_with('.'), "{entry:?}");
        }
    }
}

#[test]
fn code_comes_when_it_is_needed_and_goes_on_where_it_broke_off() {
    let place = Place::default();
    let bytes = packed("serve", 3 << 20);
    let digest = place.put(&bytes);
    // The last one is the first answer.
    *place.cuts.lock().unwrap() = vec![usize::MAX, 0, 600_000, 1_000_000];
    let bench = Bench::new(&place, u64::MAX, Unused::Stay);
    assert_eq!(bench.find(id(1), &digest), CodeState::Coming);
    assert_eq!(bench.find(id(1), &digest), CodeState::Coming, "once is enough");
    bench.until(|| bench.cache.has_news());
    let CodeState::Here(path) = bench.find(id(1), &digest) else { panic!("it came") };
    assert_eq!(fs::metadata(path.join("serve")).unwrap().len(), 3 << 20);
    assert_eq!(*place.asked.lock().unwrap(), [0, 1_000_000, 1_600_000, 1_600_000]);
    assert!(!bench.cache.has_news());
}

#[test]
fn code_that_is_not_to_be_had_is_named_and_looked_for_again() {
    let place = Place::default();
    let bench = Bench::new(&place, u64::MAX, Unused::Stay);
    let (good, other) = (packed("a", 10), packed("b", 10));
    let digest = BlobDigest::of(&good);
    let missing = || {
        assert_eq!(bench.find(id(1), &digest), CodeState::Coming);
        bench.until(|| bench.cache.has_news());
        match bench.find(id(1), &digest) {
            CodeState::Missing(why) => why,
            other => panic!("{other:?}"),
        }
    };
    let why = missing();
    assert!(
        why.contains(&digest.to_string()) && why.contains("the place has no such blob"),
        "{why}"
    );
    place.blobs.lock().unwrap().insert(digest, other);
    let why = missing();
    assert!(why.contains("it was damaged on its way"), "{why}");
    let nonsense = place.put(b"no archive");
    assert_eq!(bench.find(id(2), &nonsense), CodeState::Coming);
    bench.until(|| bench.cache.has_news());
    assert!(matches!(bench.find(id(2), &nonsense), CodeState::Missing(_)));
    assert!(!bench.is_here(id(1)) && !bench.is_here(id(2)));
    place.put(&good);
    assert_eq!(bench.find(id(1), &digest), CodeState::Coming);
    bench.until(|| bench.is_here(id(1)));
    let unknown = bench.cache.find(id(3), None);
    assert!(matches!(unknown, CodeState::Missing(why) if why.contains("deploy the app again")));
}

#[test]
fn what_was_needed_longest_ago_goes_first_and_what_is_needed_stays() {
    let place = Place::default();
    // Each takes a little more than 10,000 bytes.
    let digests: Vec<_> = (0..4_u8).map(|n| place.put(&packed(&format!("f{n}"), 10_000))).collect();
    let bench = Bench::new(&place, 30_000, Unused::Stay);
    let all = [1, 2, 3].map(id);
    for (slug, digest) in all.iter().zip(&digests) {
        bench.find(*slug, digest);
        bench.until(|| bench.is_here(*slug));
        assert!(matches!(bench.find(*slug, digest), CodeState::Here(_)));
    }
    // Before it is known what is needed, nothing goes.
    assert!(all.iter().all(|slug| bench.is_here(*slug)));
    bench.cache.keep([id(1), id(99)].into());
    bench.until(|| !bench.is_here(id(2)));
    assert!(bench.is_here(id(1)) && bench.is_here(id(3)));
    bench.cache.keep(BTreeSet::new());
    bench.find(id(4), &digests[3]);
    bench.until(|| bench.is_here(id(4)) && !bench.is_here(id(3)));
    assert!(bench.is_here(id(1)), "it was needed until just now");
    // What went comes again.
    assert_eq!(bench.find(id(2), &digests[1]), CodeState::Coming);
    bench.until(|| bench.is_here(id(2)));
}

#[test]
fn on_a_host_code_goes_a_while_after_it_was_needed() {
    let place = Place::default();
    let digest = place.put(&packed("f", 10));
    let bench = Bench::new(&place, u64::MAX, Unused::Go(Duration::from_millis(200)));
    for n in [1, 2, 99] {
        bench.find(id(n), &digest);
        bench.until(|| bench.is_here(id(n)));
    }
    bench.cache.keep([id(1), id(2)].into());
    bench.cache.keep([id(1)].into());
    bench.until(|| !bench.is_here(id(2)));
    assert!(bench.is_here(id(1)), "a workload needs it");
    assert!(bench.is_here(id(99)), "it could not be had again");
}
