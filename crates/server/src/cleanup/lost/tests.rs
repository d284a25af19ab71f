use std::fs;
use std::path::{Path, PathBuf};

use model::{AppId, Change, SlugId, World};
use store::{Batch, Row, Sqlite};

use super::*;

struct Bench {
    dir: tempfile::TempDir,
    store: Sqlite,
}

fn uuid(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

/// A world with a slug that has code, and one whose code was not uploaded yet.
fn world() -> World {
    let mut world = World::default();
    for (n, size) in [(1, Some(7)), (2, None)] {
        let slug = model::Slug {
            id: SlugId(uuid::Uuid::from_u128(n)),
            app: AppId(uuid::Uuid::from_u128(0)),
            process_types: Default::default(),
            commit: None,
            checksum: None,
            size,
            unpacked: None,
            blob: None,
            released: false,
            created: Timestamp::from_millis(0),
            updated: Timestamp::from_millis(0),
        };
        world.apply(&Change::Put(slug.into()));
    }
    world
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&DataDir::open(&dir.path().join("data")).unwrap()).unwrap();
        Self { dir, store }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn put(&self, path: &str) {
        let path = self.data().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "content").unwrap();
    }

    fn settle(&self, world: &World) -> Found {
        Lost::at(&self.data()).settle(world, &self.store)
    }

    /// Records a deletion in the database.
    fn delete(&mut self, kind: &str, id: &str) {
        let row = Row {
            kind: kind.to_owned(),
            id: id.to_owned(),
            account: String::new(),
            revision: 0,
            body: "{}".to_owned(),
        };
        let at = self.store.load(&mut |_| Ok(())).unwrap();
        let puts = vec![Row { revision: at + 1, ..row }];
        let put = Batch { expected_revision: at, revision: at + 1, puts, ..Batch::default() };
        self.store.commit(&put).unwrap();
        let deletes = vec![(kind.to_owned(), id.to_owned())];
        let gone =
            Batch { expected_revision: at + 1, revision: at + 2, deletes, ..Batch::default() };
        self.store.commit(&gone).unwrap();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = children(dir)
        .into_iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_no_record_names_is_set_aside_and_what_was_deleted_goes() {
    let mut bench = Bench::new();
    for n in 1..=4 {
        bench.put(&format!("slugs/{}/app.py", uuid(n)));
    }
    bench.put("slugs/.half.upload/app.py");
    bench.put("slugs/not-ours");
    for n in [5, 6] {
        bench.put(&format!("services/{}/data", uuid(n)));
        bench.put(&format!("logs/{}.log", uuid(n)));
        bench.put(&format!("logs/{}.log.1", uuid(n)));
        bench.put(&format!("workloads/dyno-{}/home/x", uuid(n)));
    }
    bench.put("workloads/i-0123456789abcdef0/home/x");
    for (kind, id) in [("slug", 4), ("addon", 6), ("app", 6), ("dyno", 6)] {
        bench.delete(kind, &uuid(id));
    }
    let found = bench.settle(&world());
    let data = bench.data();
    assert_eq!(names(&data.join("slugs")), [uuid(1), "not-ours".to_owned()]);
    assert_eq!(names(&data.join("lost/slugs")), [uuid(2), uuid(3)]);
    assert_eq!(names(&data.join("lost/services")), [uuid(5)]);
    let logs = [format!("{}.log", uuid(5)), format!("{}.log.1", uuid(5))];
    assert_eq!(names(&data.join("lost/logs")), logs);
    assert!(names(&data.join("logs")).is_empty());
    // Their processes may still run, so whoever ends those removes the disks.
    assert_eq!(found.deleted_disks, [uuid(6).parse().unwrap()]);
    let unknown = [format!("dyno-{}", uuid(5)), "i-0123456789abcdef0".to_owned()];
    assert_eq!(found.workloads, unknown.iter().map(|id| id.parse().unwrap()).collect());
    assert_eq!(names(&data.join("services")), [uuid(6)]);
    assert_eq!(names(&data.join("workloads")).len(), 3);
    let listed: Vec<String> = Lost::at(&data).list().into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert!(listed.contains(&format!("services/{}", uuid(5))), "{listed:?}");
}

#[test]
fn it_comes_back_once_its_record_is_known_and_overwrites_nothing() {
    let bench = Bench::new();
    let slug = uuid(1);
    bench.put(&format!("slugs/{slug}/app.py"));
    for _ in 0..2 {
        bench.settle(&World::default());
        bench.put(&format!("slugs/{slug}/app.py"));
    }
    let data = bench.data();
    assert_eq!(names(&data.join("lost/slugs")), [slug.clone(), format!("{slug}.2")]);
    bench.settle(&world());
    assert_eq!(names(&data.join("lost/slugs")).len(), 2, "another one is in its place");
    fs::remove_dir_all(data.join("slugs")).unwrap();
    bench.settle(&world());
    assert_eq!(fs::read(data.join(format!("slugs/{slug}/app.py"))).unwrap(), b"content");
    assert_eq!(names(&data.join("lost/slugs")), [format!("{slug}.2")]);
}

#[test]
fn it_is_deleted_by_its_name_and_nothing_else_is() {
    let bench = Bench::new();
    bench.put(&format!("services/{}/data", uuid(5)));
    bench.settle(&World::default());
    let (lost, data) = (Lost::at(&bench.data()), bench.data());
    for other in ["", "services", "services/", "../secret.key", "services/../../secret.key", "x/y"]
    {
        assert!(!lost.delete(other).unwrap(), "{other}");
    }
    assert!(data.join("secret.key").exists());
    assert!(lost.delete(&format!("services/{}", uuid(5))).unwrap());
    assert!(lost.list().is_empty());
}
