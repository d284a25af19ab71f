//! A disk without room: what is there is read, what is new is refused, and room makes it well.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use support::{Ran, Server};

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Some("size=16m,mode=0700");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), options).unwrap();
        Self(dir)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Takes all room that there is.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("full")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.path().join("full")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

/// Both clients, without their patience.
fn aws(server: &Server, arguments: &[&str]) -> Ran {
    let once = [("AWS_MAX_ATTEMPTS".to_owned(), "1".to_owned())];
    server.aws_as(&[server.env(&[]), once.to_vec()].concat(), arguments)
}

/// What is there is read, and nothing is written; nobody is told of the server's inside.
fn reads_alone(server: &Server, data: &Path) {
    assert!(server.causeway(&["spaces"]).ok().contains("one"));
    assert!(aws(server, &["ec2", "describe-vpcs"]).ok().contains("10.100.0.0/16"));
    let vpc = ["ec2", "create-vpc", "--cidr-block", "10.101.0.0/16"];
    let space = ["spaces:create", "two", "--team", "team"];
    let refusals = [
        aws(server, &vpc),
        server.causeway(&space),
        server.causeway(&["accounts:create", "two"]),
        server.causeway(&["apps:create", "two", "--space", "one"]),
    ];
    for refused in refusals {
        let said = refused.refused();
        assert!(said.contains("disk is full"), "{said}");
        assert!(!said.contains(data.to_str().unwrap()) && !said.contains(".db"), "{said}");
    }
    let spaces = server.causeway(&["spaces", "--json"]).json();
    assert_eq!(spaces.as_array().unwrap().len(), 1, "{spaces}");
}

fn writes(server: &Server, name: &str) {
    server.causeway(&["accounts:create", name]).ok();
    assert!(server.causeway(&["accounts"]).ok().contains(name));
}

#[test]
fn a_full_disk_is_read_from_and_written_to_once_there_is_room() {
    let disk = Disk::new();
    let data = disk.data();
    fs::create_dir(&data).unwrap();
    let mut server = Server::on(&data, &["--fabric", "none"]);
    server.causeway(&["spaces:create", "one", "--team", "team"]).ok();
    aws(&server, &["ec2", "create-vpc", "--cidr-block", "10.100.0.0/16"]).ok();
    server.sweep();
    disk.fill();
    reads_alone(&server, &data);
    disk.make_room();
    writes(&server, "after-it-was-full");
    // With a log of recent writes, and with the server's note.
    server.kill();
    disk.fill();
    server.start_again();
    reads_alone(&server, &data);
    disk.make_room();
    writes(&server, "after-a-start");
    server.kill_and_restart();
    writes(&server, "in-the-end");
}
