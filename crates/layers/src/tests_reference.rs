//! docs/openapi.json, docs/schemas and docs/configuration.md say what the code says. They are written anew
//! by `INSTA_UPDATE=always cargo nextest run -p causeway-layers reference`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::CRATES;

/// Has the documents written into a folder.
fn write(into: &Path) {
    let tool = Path::new(CRATES).join("../tests/tools/reference");
    let ran = Command::new("python3").arg("-B").arg(tool).arg(into).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// The documents below a folder, by their places in it.
fn documents(folder: &Path) -> Vec<(PathBuf, String)> {
    let pages = ["configuration.md", "openapi.json"];
    let mut found: Vec<(PathBuf, PathBuf)> =
        pages.iter().map(|name| (name.into(), folder.join(name))).collect();
    for entry in fs::read_dir(folder.join("schemas")).unwrap() {
        let path = entry.unwrap().path();
        found.push((Path::new("schemas").join(path.file_name().unwrap()), path));
    }
    found.sort();
    found.into_iter().map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn openapi_the_schemas_and_the_settings_say_what_the_code_does() {
    let docs = Path::new(CRATES).join("../docs");
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        write(&docs);
    }
    let place = std::env::temp_dir().join(format!("causeway-reference-{}", std::process::id()));
    write(&place);
    let (now, kept) = (documents(&place), documents(&docs));
    fs::remove_dir_all(&place).unwrap();
    let names =
        |all: &[(PathBuf, String)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&now), names(&kept), "docs/schemas has other files than there are commands");
    for ((name, now), (_, kept)) in now.iter().zip(&kept) {
        let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(
            now == kept,
            "docs/{} is not what the code says; write it anew with INSTA_UPDATE=always: {differs:#?}",
            name.display()
        );
    }
    let openapi = &now.iter().find(|(name, _)| name == Path::new("openapi.json")).unwrap().1;
    assert!(openapi.contains("\"/_causeway/status\"") && openapi.contains("\"/spaces/{space}\""));
}
