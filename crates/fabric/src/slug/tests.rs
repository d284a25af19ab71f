use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

/// An archive, entry by entry, without the checks that a well-meaning writer makes.
#[derive(Default)]
struct Pack(Vec<u8>);

impl Pack {
    fn entry(mut self, kind: EntryType, name: &str, link: &str, mode: u32, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, data: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o600, data.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", 0o700, b"")
    }

    fn link(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, name, to, 0o777, b"")
    }

    fn hard(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Link, name, to, 0o644, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// What was packed is checked to its last byte, even where all that is needed was read before.
#[test]
fn a_damaged_end_is_seen() {
    let whole = gzip(&Pack::default().file("a", &"text\n".repeat(9999)).end());
    for cut in [1, 4, 8] {
        let error = Place::new().unpack(&whole[..whole.len() - cut]).unwrap_err();
        assert!(matches!(error, SlugError::Damaged(_)), "{cut}: {error:?}");
    }
    for at in [5, 1] {
        let mut flipped = whole.clone();
        let at = flipped.len() - at;
        flipped[at] ^= 1;
        let error = Place::new().unpack(&flipped).unwrap_err();
        assert!(matches!(error, SlugError::Damaged(_)), "{at}: {error:?}");
    }
}

#[test]
fn a_name_that_no_file_system_takes_is_refused() {
    let long = "a".repeat(256);
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("dir/{long}"), io::empty()).unwrap();
    let error = Place::new().unpack(&builder.into_inner().unwrap()).unwrap_err();
    assert!(error.is_of_the_archive() && error.to_string().contains("255 bytes"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn slug(&self) -> PathBuf {
        self.0.path().join("slugs/one")
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked, SlugError> {
        self.limited(archive, Limits::default())
    }

    /// Unpacks, and insists that nothing is left where it did not go well.
    fn limited(&self, archive: &[u8], limits: Limits) -> Result<Unpacked, SlugError> {
        let result = unpack(archive, &self.slug(), limits);
        let slugs = self.0.path().join("slugs");
        let left: Vec<_> = fs::read_dir(slugs).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), usize::from(result.is_ok()), "{left:?}");
        result
    }
}

fn refusal(archive: Vec<u8>) -> String {
    let error = Place::new().unpack(&archive).unwrap_err();
    assert!(error.is_of_the_archive());
    error.to_string()
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_archive_is_unpacked_with_plain_rights() {
    let archive = Pack::default()
        .file("Procfile", "web: ./serve\n")
        .entry(EntryType::Regular, "bin/serve", "", 0o6755, b"#!/bin/sh\n")
        .dir("./lib/")
        .file("./lib//text", "hello")
        .link("latest", "lib/text")
        .hard("lib/same", "lib/text")
        .link("python", "/usr/bin/python3")
        .link("back", "/app/lib")
        .end();
    for archive in [archive.clone(), gzip(&archive)] {
        let place = Place::new();
        let unpacked = place.unpack(&archive).unwrap();
        let procfile = Some("web: ./serve\n".to_owned());
        assert_eq!(unpacked, Unpacked { bytes: 13 + 10 + 5 + 5, files: 7, procfile });
        let at = |name: &str| place.slug().join(name);
        assert_eq!(mode(at("bin/serve")), 0o755, "no setuid, no setgid");
        assert_eq!((mode(at("Procfile")), mode(at("lib")), mode(at(""))), (0o644, 0o755, 0o755));
        assert_eq!(fs::metadata(at("Procfile")).unwrap().mtime(), 1_000_000_000);
        assert_eq!(fs::read_to_string(at("latest")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(at("lib/same")).unwrap(), "hello");
        // Once more, whatever is sent: what is there stays.
        let again = unpack(&b"anything"[..], &place.slug(), Limits::default()).unwrap();
        assert_eq!(again, unpacked);
    }
}

#[test]
fn what_tar_itself_writes_is_read() {
    let place = Place::new();
    let long = "d/".repeat(60) + "file";
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    header.set_mtime(0);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_mtime(0);
    let long_link = "d/".repeat(60);
    builder
        .append_pax_extensions(
            [("path", "ünï/link"), ("linkpath", "../d/d")].map(|(k, v)| (k, v.as_bytes())),
        )
        .unwrap();
    header.set_entry_type(EntryType::Symlink);
    builder.append_data(&mut header, "short", &b""[..]).unwrap();
    place.unpack(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(fs::read(place.slug().join(&long)).unwrap(), b"x");
    assert!(place.slug().join("ünï/link").join(&long_link[4..]).is_dir());

    // The real program, with its own ideas.
    let source = tempfile::tempdir().unwrap();
    fs::create_dir_all(source.path().join("app").join("a/".repeat(70))).unwrap();
    fs::write(source.path().join("app/Procfile"), "web: true").unwrap();
    for format in ["gnu", "posix", "ustar"] {
        let out = std::process::Command::new("tar")
            .args(["-cz", "--format", format, "-C"])
            .arg(source.path())
            .arg("./app")
            .output()
            .unwrap();
        let place = Place::new();
        let unpacked = place.unpack(&out.stdout).unwrap();
        assert_eq!(unpacked.procfile.as_deref(), Some("web: true"), "{format}");
        assert!(place.slug().join("a/".repeat(70)).is_dir());
    }
}

#[test]
fn a_directory_app_alone_is_the_root() {
    let place = Place::new();
    let wrapped = Pack::default()
        .dir("./app/")
        .file("./app/Procfile", "web: x")
        .link("./app/l", "./Procfile");
    assert_eq!(place.unpack(&wrapped.end()).unwrap().procfile.as_deref(), Some("web: x"));
    assert!(place.slug().join("l").exists());

    let place = Place::new();
    let beside = Pack::default().file("app/main.py", "").file("Procfile", "web: y").end();
    assert_eq!(place.unpack(&beside).unwrap().procfile.as_deref(), Some("web: y"));
    assert!(place.slug().join("app/main.py").exists());
    // Seen from inside, the wrapping directory is not there.
    let out = Pack::default().dir("app").link("app/up", "../app").end();
    assert!(refusal(out).contains("leads out"));
}

#[test]
fn nothing_leads_out() {
    let absolute = Pack::default().file("/etc/passwd", "x").end();
    assert_eq!(refusal(absolute), "/etc/passwd has an absolute path: pack it with relative ones");
    for name in ["../x", "a/../../x", "a/.."] {
        assert!(refusal(Pack::default().file(name, "x").end()).contains("has '..' in its path"));
    }
    for to in [
        "/etc/passwd",
        "..",
        "../../etc/passwd",
        "/",
        "/usr/../etc/passwd",
        "/application",
        "/app/../root",
    ] {
        let archive = Pack::default().dir("d").link("d/up", "..").link("l", to).end();
        let said = refusal(archive);
        assert!(said.ends_with("is a link that leads out of the archive"), "{to}: {said}");
    }
    // By way of others, too.
    let two = Pack::default().dir("a/b").link("a/up", "..").link("l", "a/up/../x").end();
    assert!(refusal(two).contains("leads out"));
    let system = Pack::default().link("sys", "/usr").link("l", "sys/../etc").end();
    assert!(refusal(system).contains("leads out"));
}

#[test]
fn nothing_is_written_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().to_str().unwrap();
    for archive in [
        Pack::default().link("out", to).file("out/file", "x").end(),
        Pack::default().link("out", to).dir("out/").file("out/file", "x").end(),
        Pack::default().dir("in").link("out", "in").file("out/file", "x").end(),
        Pack::default().file("file", "x").file("file/below", "x").end(),
        Pack::default().dir("d").link("d", "e").end(),
    ] {
        let said = refusal(archive);
        assert!(said.contains("directory"), "{said}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // A link that a file replaces is no more.
    let place = Place::new();
    place.unpack(&Pack::default().link("f", to).file("f", "second").end()).unwrap();
    assert_eq!(fs::read_to_string(place.slug().join("f")).unwrap(), "second");
}

#[test]
fn circles_devices_and_foreign_hard_links_are_refused() {
    let circle = Pack::default().link("a", "b").link("b", "c/x").link("c", "a").end();
    assert!(refusal(circle).ends_with("is a link that leads in a circle"));
    assert!(refusal(Pack::default().link("a", "a").end()).contains("circle"));
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let archive = Pack::default().entry(kind, "dev", "", 0o666, b"").end();
        assert!(refusal(archive).contains("is a device or a pipe"));
    }
    assert!(refusal(Pack::default().hard("h", "etc/passwd").end()).contains("no file"));
    assert!(refusal(Pack::default().hard("h", "/etc/passwd").end()).contains("absolute"));
    assert!(refusal(Pack::default().link("l", "x").hard("h", "l").end()).contains("no file"));
    assert!(
        refusal(Pack::default().entry(EntryType::new(b'Z'), "z", "", 0, b"").end())
            .contains("kind")
    );
    let sparse = Pack::default().entry(EntryType::GNUSparse, "s", "", 0o644, b"").end();
    assert!(refusal(sparse).contains("sparse"));
    // One that leads to what is not there yet is the app's business.
    Place::new().unpack(&Pack::default().link("tmp/pid", "../run/pid").end()).unwrap();
}

#[test]
fn bombs_do_not_go_off() {
    let small = Limits { bytes: 1 << 20, files: 50, path_bytes: 100, ..Limits::default() };
    let refused = |archive: &[u8]| Place::new().limited(archive, small).unwrap_err().to_string();
    let zeros = vec![0; (1 << 20) + 1];
    let large = Pack::default().entry(EntryType::Regular, "zeros", "", 0o644, &zeros).end();
    let bomb = gzip(&large);
    assert!(bomb.len() < 20_000);
    assert!(refused(&bomb).contains("more than 1048576 bytes"));
    // What is no file's content does not count for less.
    let mut records = Pack::default();
    for _ in 0..40 {
        records = records.entry(EntryType::XGlobalHeader, "g", "", 0o644, &[0; 100_000]);
    }
    assert!(refused(&gzip(&records.end())).contains("more than 1048576 bytes"));

    let mut many = Pack::default();
    for number in 0..51 {
        many = many.dir(&format!("d{number}"));
    }
    assert!(refused(&many.end()).contains("more than 50 files"));
    let deep = Pack::default().file(&"d/".repeat(49), "").file(&"e/".repeat(49), "").end();
    assert!(refused(&deep).contains("more than 50 files"), "directories that are not named count");
    let name = vec![b'n'; 101];
    let long = Pack::default().entry(EntryType::GNULongName, "x", "", 0, &name).file("y", "").end();
    assert!(refused(&long).contains("more than 100 bytes"));
    let name = vec![b'n'; 1 << 20];
    let long = Pack::default().entry(EntryType::XHeader, "x", "", 0, &name).end();
    assert!(refused(&gzip(&long)).contains("more than 100 bytes"));
}

/// A million of these take a second to pass over, and an upload holds 25 of them.
#[test]
fn an_archive_full_of_nothing_is_given_up() {
    let archive = gzip(&Pack::default().file("a", &"text\n".repeat(9999)).end());
    let empty = gzip(b"");
    // A deflate stream of empty blocks in one member: each ends at a whole byte and holds nothing.
    let mut blocks = empty[..10].to_vec();
    blocks.extend([0, 0, 0, 0xff, 0xff].repeat(500_000));
    let few = [empty.repeat(1000), archive.clone(), empty.repeat(1000)].concat();
    assert_eq!(Place::new().unpack(&few).unwrap().files, 1, "some do no harm");
    for wasteful in [
        [empty.repeat(200_000), archive.clone()].concat(),
        [archive.clone(), empty.repeat(200_000)].concat(),
        [archive, blocks].concat(),
    ] {
        let error = Place::new().unpack(&wasteful).unwrap_err();
        assert!(error.is_of_the_archive(), "{error}");
        let reasons = std::iter::successors(std::error::Error::source(&error), |e| e.source());
        let said: String = reasons.map(|reason| reason.to_string()).collect();
        assert!(
            said.contains("holds nothing") || matches!(error, SlugError::NotAnArchive),
            "{said}"
        );
    }
}

#[test]
fn many_tangled_links_are_soon_looked_through() {
    // Each leads over forty others, and each of those over a long way.
    let mut pack = Pack::default().dir("d");
    for number in 0..39 {
        let way = "d/../".repeat(15);
        pack = pack.link(&format!("l{number}"), &format!("{way}l{}", number + 1));
    }
    for number in 0..20_000 {
        pack = pack.link(&format!("x{number}"), "l1/l1/l1");
    }
    // Whichever way it is decided, it is decided.
    let _ = Place::new().unpack(&pack.end());
}

#[test]
fn what_is_no_archive_says_so() {
    let error = |bytes: &[u8]| Place::new().unpack(bytes).unwrap_err();
    assert!(matches!(error(b"PK\x03\x04 this is a zip file"), SlugError::NotAnArchive));
    assert!(matches!(error(&[b'x'; 2000]), SlugError::NotAnArchive));
    assert!(matches!(error(b"\x1f\x8bnot gzip"), SlugError::NotAnArchive));
    assert!(matches!(error(b""), SlugError::Empty));
    assert!(matches!(error(&Pack::default().end()), SlugError::Empty));
    let whole = Pack::default().file("a", &"x".repeat(5000)).file("b", "y").end();
    assert!(matches!(error(&whole[..3000]), SlugError::Damaged(_)));
    let half = gzip(&whole);
    assert!(matches!(
        error(&half[..half.len() / 2]),
        SlugError::Damaged(_) | SlugError::NotAnArchive
    ));
    let mut broken = whole.clone();
    broken[512 + 5632 - 512 + 3] ^= 1;
    assert!(matches!(error(&broken), SlugError::Damaged(_)));
}

#[test]
fn a_procfile_is_text() {
    let error = |pack: Pack| Place::new().unpack(&pack.end()).unwrap_err();
    assert!(matches!(error(Pack::default().link("Procfile", "x")), SlugError::Procfile));
    assert!(matches!(error(Pack::default().dir("Procfile")), SlugError::Procfile));
    let large = "x".repeat((64 << 10) + 1);
    assert!(matches!(error(Pack::default().file("Procfile", &large)), SlugError::Procfile));
    let binary = Pack::default().entry(EntryType::Regular, "Procfile", "", 0o644, b"\xff\xfe");
    assert!(matches!(error(binary), SlugError::Procfile));
}

#[test]
fn slugs_are_removed_and_halves_are_cleaned_away() {
    let place = Place::new();
    let slugs = place.0.path().join("slugs");
    let id: SlugId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let archive = Pack::default().file("a/b", "x").link("c", "a").end();
    unpack(&archive[..], &path(&slugs, id), Limits::default()).unwrap();
    fs::create_dir(slugs.join(".half")).unwrap();
    clean(&slugs).unwrap();
    assert!(path(&slugs, id).is_dir() && !slugs.join(".half").exists());
    remove(&slugs, id).unwrap();
    remove(&slugs, id).unwrap();
    assert_eq!(fs::read_dir(&slugs).unwrap().count(), 0);
    clean(&place.0.path().join("nowhere")).unwrap();
}

#[test]
fn the_same_slug_twice_at_once_is_one() {
    let place = Place::new();
    let archive = Pack::default().file("a", "x").end();
    std::thread::scope(|scope| {
        let unpack = || unpack(&archive[..], &place.slug(), Limits::default());
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(unpack)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap().files, 1);
        }
    });
    assert_eq!(fs::read_dir(place.0.path().join("slugs")).unwrap().count(), 1);
}

/// What is in a directory: by path, what it is and with which rights.
fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let what = match () {
                () if about.is_symlink() => format!("{:?}", fs::read_link(&path).unwrap()),
                () if about.is_dir() => "directory".to_owned(),
                () => format!("{:?} of {}", fs::read(&path).unwrap(), about.nlink()),
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let when = if about.is_file() { about.mtime() } else { 0 };
            found.push(format!("{name} {:o} {when} {what}", about.mode()));
            if about.is_dir() {
                dirs.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_packed_is_unpacked_as_it_was() {
    let place = Place::new();
    let slugs = place.0.path().join("slugs");
    let id = |n: u8| format!("00000000-0000-4000-8000-00000000000{n}").parse::<SlugId>().unwrap();
    let long = "d/".repeat(120) + "file";
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    header.set_mtime(5);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let deep = builder.into_inner().unwrap();
    let plain = Pack::default()
        .file("Procfile", "web: ./serve\n")
        .entry(EntryType::Regular, "bin/serve", "", 0o755, b"#!/bin/sh\n")
        .dir("empty")
        .hard("bin/same", "bin/serve")
        .link("a-link", "bin/serve")
        .link("python", "/usr/bin/python3")
        .link("back", "/app/bin")
        .end();
    // One directory, of the very name that is taken off an archive.
    let nested = Pack::default().file("app/app/text", "hello").end();
    for (n, archive) in (1..).zip([plain, nested, deep]) {
        unpack(&archive[..], &path(&slugs, id(n)), Limits::default()).unwrap();
        let mut packed = Vec::new();
        pack(&slugs, id(n), &mut packed).unwrap();
        let again = place.0.path().join(format!("again/{n}"));
        unpack(&packed[..], &again, Limits::NONE).unwrap();
        assert_eq!(listing(&again), listing(&path(&slugs, id(n))));
        assert!(listing(&again).len() > 1);
    }
    let missing = pack(&slugs, id(9), &mut Vec::new()).unwrap_err();
    assert!(!missing.is_of_the_archive(), "{missing}");
}

#[test]
fn links_are_packed_as_they_are_written() {
    let place = tempfile::tempdir().unwrap();
    let (root, again) = (place.path().join("one"), place.path().join("two"));
    fs::create_dir(&root).unwrap();
    let dots = |count: usize| "./".repeat(count) + "x";
    let targets = [dots(2), format!("d/{}", dots(1)), "y".repeat(100), dots(50), dots(120)];
    for (number, target) in targets.iter().enumerate() {
        std::os::unix::fs::symlink(target, root.join(number.to_string())).unwrap();
    }
    let mut packed = Vec::new();
    pack::pack(&root, &mut packed).unwrap();
    unpack(&packed[..], &again, Limits::NONE).unwrap();
    for (number, target) in targets.iter().enumerate() {
        // Two paths are equal if they lead to the same.
        let read = fs::read_link(again.join(number.to_string())).unwrap();
        assert_eq!(read.to_str(), Some(target.as_str()));
    }
}
