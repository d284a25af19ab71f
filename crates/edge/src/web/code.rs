//! Why a request failed: Heroku's error codes.

use http::StatusCode;

/// An error code of Heroku's router, as far as they apply here. [`Code::description`] says what each
/// means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    H10,
    H12,
    H13,
    H14,
    H15,
    H17,
    H18,
    H19,
    H20,
    H21,
    H26,
    H27,
    H28,
}

impl Code {
    /// All codes, in the order of their declaration.
    pub(crate) const ALL: [Self; 13] = [
        Self::H10,
        Self::H12,
        Self::H13,
        Self::H14,
        Self::H15,
        Self::H17,
        Self::H18,
        Self::H19,
        Self::H20,
        Self::H21,
        Self::H26,
        Self::H27,
        Self::H28,
    ];

    /// The code's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::H10 => "H10",
            Self::H12 => "H12",
            Self::H13 => "H13",
            Self::H14 => "H14",
            Self::H15 => "H15",
            Self::H17 => "H17",
            Self::H18 => "H18",
            Self::H19 => "H19",
            Self::H20 => "H20",
            Self::H21 => "H21",
            Self::H26 => "H26",
            Self::H27 => "H27",
            Self::H28 => "H28",
        }
    }

    /// The words that Heroku's logs have for it.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::H10 => "App crashed",
            Self::H12 => "Request timeout",
            Self::H13 => "Connection closed without response",
            Self::H14 => "No web processes running",
            Self::H15 => "Idle connection",
            Self::H17 => "Poorly formed HTTP response",
            Self::H18 => "Server Request Interrupted",
            Self::H19 => "Backend connection timeout",
            Self::H20 => "App boot timeout",
            Self::H21 => "Backend connection refused",
            Self::H26 => "Request Error",
            Self::H27 => "Client Request Interrupted",
            Self::H28 => "Client Connection Idle",
        }
    }

    /// Whether the client is the cause: what it sent, or did not send.
    pub(crate) const fn is_of_the_client(self) -> bool {
        matches!(self, Self::H26 | Self::H27 | Self::H28)
    }

    /// The level in the log: an error unless the client is the cause.
    pub(crate) const fn level(self) -> &'static str {
        match self {
            Self::H27 | Self::H28 => "warning",
            Self::H10
            | Self::H12
            | Self::H13
            | Self::H14
            | Self::H15
            | Self::H17
            | Self::H18
            | Self::H19
            | Self::H20
            | Self::H21
            | Self::H26 => "error",
        }
    }

    /// The status that the client gets, if it still can get one.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::H26 => StatusCode::BAD_REQUEST,
            // The client is hardly there to read it. The log shows 499.
            Self::H27 | Self::H28 => StatusCode::REQUEST_TIMEOUT,
            Self::H10
            | Self::H12
            | Self::H13
            | Self::H14
            | Self::H15
            | Self::H17
            | Self::H18
            | Self::H19
            | Self::H20
            | Self::H21 => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The status that the log shows.
    pub(crate) fn logged(self) -> u16 {
        match self {
            Self::H27 | Self::H28 => 499,
            Self::H10
            | Self::H12
            | Self::H13
            | Self::H14
            | Self::H15
            | Self::H17
            | Self::H18
            | Self::H19
            | Self::H20
            | Self::H21
            | Self::H26 => self.status().as_u16(),
        }
    }
}
