//! Records as the store keeps them: documents that anybody with the database can read, but for the
//! fields that hold secrets. Those are sealed, each bound to the document that it is in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use model::Record;
use serde_json::Value;
use store::{BoxError, Row, Secret};

/// What the name of a sealed field ends in.
const SEALED: &str = "_sealed";

/// The document of a record.
///
/// # Errors
///
/// The cipher's, and [`store::Error::NoObject`].
pub(crate) fn write(record: &Record, secret: &Secret) -> store::Result<String> {
    let key = record.key();
    let body = record.body();
    match key.kind().secrets() {
        [] => Ok(body),
        fields => seal(key.kind().name(), &key.to_string(), &body, fields, secret),
    }
}

/// A document with these fields sealed. One that has no fields is refused, as all of it may be
/// secret.
fn seal(
    kind: &str,
    id: &str,
    body: &str,
    fields: &[&str],
    secret: &Secret,
) -> store::Result<String> {
    let Ok(Value::Object(mut document)) = serde_json::from_str(body) else {
        return Err(store::Error::NoObject { kind: kind.to_owned(), id: id.to_owned() });
    };
    for field in fields {
        let Some(plain) = document.remove(*field) else { continue };
        let sealed = secret.seal(plain.to_string().as_bytes(), &binding(kind, id, field))?;
        document.insert(format!("{field}{SEALED}"), BASE64.encode(sealed).into());
    }
    Ok(Value::Object(document).to_string())
}

/// The record of a document. Fields that are not sealed are taken as they are.
///
/// # Errors
///
/// What is wrong with the document, or that it was sealed for another place or by another key.
pub(crate) fn read(row: &Row, secret: &Secret) -> Result<Record, BoxError> {
    let key = model::Key::parse(&row.kind, &row.id)?;
    let fields = key.kind().secrets();
    if fields.is_empty() {
        return Ok(Record::read(&row.kind, &row.id, &row.body)?);
    }
    let mut document: serde_json::Map<String, Value> = serde_json::from_str(&row.body)?;
    for field in fields {
        let Some(sealed) = document.remove(&format!("{field}{SEALED}")) else { continue };
        let sealed = BASE64.decode(sealed.as_str().unwrap_or_default())?;
        let plain = secret.open(&sealed, &binding(&row.kind, &row.id, field))?;
        document.insert((*field).to_owned(), serde_json::from_slice(&plain)?);
    }
    Ok(Record::read(&row.kind, &row.id, &Value::Object(document).to_string())?)
}

/// What a sealed field is bound to, so that it opens nowhere else.
fn binding(kind: &str, id: &str, field: &str) -> Vec<u8> {
    format!("{kind}/{id}/{field}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Release, ReleaseId, ReleaseStatus, Timestamp};
    use store::DataDir;
    use uuid::Uuid;

    use super::*;

    fn release(id: u128, config: &[(&str, &str)]) -> Record {
        let config: BTreeMap<_, _> =
            config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Release {
            id: ReleaseId(Uuid::from_u128(id)),
            app: model::AppId(Uuid::from_u128(1)),
            version: 1,
            slug: None,
            inherits_code: false,
            config,
            description: "Set TOKEN".to_owned(),
            user: None,
            status: ReleaseStatus::Succeeded,
            command: None,
            created: Timestamp::from_millis(1),
            settled: None,
        }
        .into()
    }

    fn row(record: &Record, body: String) -> Row {
        let key = record.key();
        let (kind, id) = (key.kind().name().to_owned(), key.to_string());
        Row { kind, id, account: String::new(), revision: 1, body }
    }

    #[test]
    fn secrets_are_sealed_and_the_rest_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let secret = data.secret();
        let record = release(7, &[("TOKEN", "hunter2")]);
        let body = write(&record, secret).unwrap();
        assert!(!body.contains("hunter2") && !body.contains("\"TOKEN\""), "{body}");
        assert!(body.contains("\"description\":\"Set TOKEN\""), "{body}");
        assert_ne!(body, write(&record, secret).unwrap(), "equal secrets do not look equal");
        assert_eq!(read(&row(&record, body.clone()), secret).unwrap(), record);
        // In another document it opens as little as with another key.
        let other = release(8, &[]);
        assert!(read(&row(&other, body.clone()), secret).is_err());
        let data = DataDir::open(&dir.path().join("other")).unwrap();
        assert!(read(&row(&record, body), data.secret()).is_err());
    }

    #[test]
    fn what_has_no_fields_is_refused_and_not_stored_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        for body in ["\"hunter2\"", "[{\"config\":\"hunter2\"}]", "null", "{\"config\":hunter2", ""]
        {
            let error = seal("release", "7", body, &["config"], data.secret()).unwrap_err();
            assert!(matches!(error, store::Error::NoObject { .. }), "{body}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_was_never_sealed_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let record = release(7, &[("TOKEN", "hunter2")]);
        assert_eq!(read(&row(&record, record.body()), data.secret()).unwrap(), record);
        let wrong = row(&record, r#"{"config_sealed": 7}"#.to_owned());
        assert!(read(&wrong, data.secret()).is_err());
    }
}
