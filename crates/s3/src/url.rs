//! The address of a place in a bucket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The region where none is named.
const REGION: &str = "us-east-1";

/// Where blobs are: `s3://BUCKET[/PREFIX][?endpoint=URL&region=REGION&ca=FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Url {
    pub(crate) bucket: String,
    /// What all names of objects begin with: empty, or ending with a slash.
    pub(crate) prefix: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) region: String,
    /// The authorities by which the server is trusted, in PEM, instead of this machine's.
    pub(crate) ca: Option<PathBuf>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

impl Endpoint {
    /// The host as a request names it.
    pub(crate) fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The host as it is looked up.
    pub(crate) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// What is no such address, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{url}' {why}; an address is s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION")]
pub struct BadUrl {
    url: String,
    why: String,
}

impl FromStr for S3Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        read(text).map_err(|why| BadUrl { url: text.to_owned(), why })
    }
}

fn read(text: &str) -> Result<S3Url, String> {
    let rest = text.strip_prefix("s3://").ok_or("does not begin with s3://")?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if bucket.is_empty() || !plain(bucket) || bucket.starts_with('.') {
        return Err("names no bucket".to_owned());
    }
    let parts: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| !plain(part) || part.chars().all(|c| c == '.')) {
        return Err("has a prefix with other characters than letters, digits and -_.".to_owned());
    }
    let prefix: String = parts.iter().map(|part| format!("{part}/")).collect();
    let (mut endpoint, mut region, mut ca) = (None, REGION.to_owned(), None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "endpoint" => endpoint = Some(self::endpoint(&value)?),
            "region" if !value.is_empty() && plain(&value) => region = value.into_owned(),
            "region" => return Err("names no region".to_owned()),
            "ca" => ca = Some(PathBuf::from(value.into_owned())),
            other => return Err(format!("has the parameter '{other}', which is not known")),
        }
    }
    let own = || Endpoint { host: format!("s3.{region}.amazonaws.com"), port: 443, tls: true };
    let endpoint = endpoint.unwrap_or_else(own);
    Ok(S3Url { bucket: bucket.to_owned(), prefix, endpoint, region, ca })
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let wrong = || "has an endpoint that is no https:// or http:// address".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(wrong()),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('@') {
        return Err(wrong());
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok(Endpoint { host, port, tls })
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, endpoint, .. } = self;
        let scheme = if endpoint.tls { "https" } else { "http" };
        write!(f, "s3://{bucket}/{prefix} at {scheme}://{}", endpoint.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_a_bucket_is() {
        let read = |text: &str| text.parse::<S3Url>();
        let aws = read("s3://code").unwrap();
        assert_eq!(aws.to_string(), "s3://code/ at https://s3.us-east-1.amazonaws.com");
        let own = "s3://code/a//b/?endpoint=http://[::1]:9000&region=eu-west-1&ca=/etc/ca.pem";
        let own = read(own).unwrap();
        assert_eq!(own.to_string(), "s3://code/a/b/ at http://[::1]:9000");
        assert_eq!((own.region.as_str(), own.endpoint.name()), ("eu-west-1", "::1"));
        assert_eq!(own.ca, Some("/etc/ca.pem".into()));
        for (wrong, why) in [
            ("http://code", "s3://"),
            ("s3://", "no bucket"),
            ("s3://../x", "no bucket"),
            ("s3://code/..", "prefix"),
            ("s3://code/a b", "prefix"),
            ("s3://code?region=", "region"),
            ("s3://code?key=x", "'key'"),
            ("s3://code?endpoint=ftp://x", "endpoint"),
            ("s3://code?endpoint=https://x/y", "endpoint"),
            ("s3://code?endpoint=https://a:b@x", "endpoint"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
