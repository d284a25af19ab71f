//! What an end makes of the streams that the other one asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::identity::HostId;
use crate::message::{Ask, Refusal, RefusalCode};
use crate::stream::Stream;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The host at whose end, or by which, it is asked.
    pub host: HostId,
    about: String,
}

impl Asked {
    /// What is to be known beside the kind.
    ///
    /// # Errors
    ///
    /// It is not what the kind wants, in words.
    pub fn about<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.about).map_err(|error| format!("what is asked for: {error}"))
    }
}

/// Serves a stream to its end.
pub type Served = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Takes a stream once it is there.
type Takes = Box<dyn FnOnce(Stream) -> Served + Send>;
/// What takes the stream, or why there is to be none, in words.
pub type Answered = Pin<Box<dyn Future<Output = Result<Takes, String>> + Send>>;

type Answer = Arc<dyn Fn(Asked) -> Answered + Send + Sync>;

/// The kinds of streams that an end knows, by name.
#[derive(Clone, Default)]
pub struct Kinds(BTreeMap<&'static str, Answer>);

impl Kinds {
    /// With one more. First it is asked whether there is to be a stream; what it gives then takes the
    /// stream.
    #[must_use]
    pub fn with<A, T, S>(
        mut self,
        kind: &'static str,
        answer: impl Fn(Asked) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Result<T, String>> + Send + 'static,
        T: FnOnce(Stream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let answer = move |asked| -> Answered {
            let answered = answer(asked);
            Box::pin(async move {
                let takes = answered.await?;
                let takes: Takes = Box::new(move |stream| Box::pin(takes(stream)));
                Ok(takes)
            })
        };
        self.0.insert(kind, Arc::new(answer));
        self
    }

    /// With all of others, too.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// What takes a stream, or why there is to be none.
    pub(crate) async fn answer(&self, host: HostId, ask: Ask) -> Result<Takes, Refusal> {
        let Some(answer) = self.0.get(ask.kind.as_str()) else {
            let message = format!(
                "release {} does not know streams of the kind '{}'",
                env!("CARGO_PKG_VERSION"),
                ask.kind
            );
            return Err(Refusal { code: RefusalCode::Kind, message });
        };
        let answered = answer(Asked { host, about: ask.about }).await;
        answered.map_err(|message| Refusal { code: RefusalCode::Other, message })
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
