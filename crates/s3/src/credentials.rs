//! With what requests are signed, as every program finds it that speaks with AWS.

use std::ffi::OsString;
use std::path::PathBuf;

use aws::sigv4::Credentials;

/// Looks variables of the environment up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Nobody says where they are.
    #[error(
        "there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file of \
         them with AWS_SHARED_CREDENTIALS_FILE"
    )]
    None,
    /// The file cannot be used.
    #[error("the credentials file {} {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The credentials of variables, or else of a file.
pub(crate) fn read(variables: Variables<'_>) -> Result<Credentials, CredentialsError> {
    let text = |name: &str| variables(name)?.into_string().ok().filter(|text| !text.is_empty());
    if let (Some(access_key), Some(secret)) =
        (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"))
    {
        return Ok(Credentials { access_key, secret, session_token: text("AWS_SESSION_TOKEN") });
    }
    let named = variables("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let home = || Some(PathBuf::from(variables("HOME")?).join(".aws/credentials"));
    let is_named = named.is_some();
    let path = named.or_else(home).ok_or(CredentialsError::None)?;
    let wrong = |why: String| CredentialsError::File { path: path.clone(), why };
    let file = match std::fs::read_to_string(&path) {
        Err(_) if !is_named => return Err(CredentialsError::None),
        file => file.map_err(|error| wrong(format!("cannot be read: {error}")))?,
    };
    let profile = text("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    of_profile(&file, &profile).ok_or_else(|| {
        wrong(format!("has no access key with its secret for the profile {profile}"))
    })
}

fn of_profile(file: &str, profile: &str) -> Option<Credentials> {
    let (mut current, mut key, mut secret, mut token) = (None, None, None, None);
    for line in file.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = Some(name.trim());
        }
        if current != Some(profile) || line.starts_with(['#', ';']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = Some(value.trim().to_owned());
        match name.trim() {
            "aws_access_key_id" => key = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(Credentials { access_key: key?, secret: secret?, session_token: token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_before_a_file_and_a_profile_is_found_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n\n[other]\n\
                    # aws_access_key_id = X\naws_access_key_id=C\naws_secret_access_key=D=\naws_session_token=E\n\
                    [half]\naws_access_key_id = F\n";
        std::fs::write(&file, text).unwrap();
        let found = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.to_vec();
            let found = read(&move |name| {
                let mut all = set.iter().filter(|(set, _)| *set == name);
                all.next().map(|(_, value)| OsString::from(value))
            });
            found.map(|it| (it.access_key, it.secret, it.session_token.unwrap_or_default()))
        };
        let three = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        let named = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
        let own = [("AWS_ACCESS_KEY_ID", "I"), ("AWS_SECRET_ACCESS_KEY", "J"), named];
        assert_eq!(found(&own).unwrap(), three("I", "J", ""));
        assert_eq!(found(&[named]).unwrap(), three("A", "B", ""));
        assert_eq!(found(&[named, ("AWS_PROFILE", "other")]).unwrap(), three("C", "D=", "E"));
        for profile in ["half", "none"] {
            let error = found(&[named, ("AWS_PROFILE", profile)]).unwrap_err().to_string();
            assert!(error.contains(&format!("the profile {profile}")), "{error}");
        }
        assert!(matches!(found(&[]), Err(CredentialsError::None)));
        assert!(matches!(found(&[("HOME", "/nowhere")]), Err(CredentialsError::None)));
        let gone = found(&[("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/x")]).unwrap_err();
        assert!(gone.to_string().contains("cannot be read"), "{gone}");
    }
}
