//! Counts requests by their action.

use std::sync::Arc;
use std::time::Instant;

use aws::xml::Service;
use axum::http::StatusCode;

use crate::http::ec2;
use crate::metrics::{Endpoint, Metrics};

/// What a request turned out to be, for whoever counts it.
pub(super) struct Turned {
    /// Its place among [`ec2::counted`].
    pub(super) place: usize,
    /// Whether it was refused because of its account's rate.
    pub(super) throttled: bool,
}

impl Turned {
    /// Counts the request, which is answered now.
    pub(super) fn count(&self, metrics: &Metrics, began: Instant, status: StatusCode) {
        let endpoint = &endpoints(metrics)[self.place];
        if self.throttled {
            endpoint.throttled(began);
        } else {
            endpoint.answered(began, status);
        }
    }
}

/// Where each action is counted: looked up once for all.
fn endpoints(metrics: &Metrics) -> &[Arc<Endpoint>] {
    let name = |service| match service {
        Service::Ec2 => "ec2",
        Service::Sts => "sts",
        Service::Iam => "iam",
    };
    metrics.aws.get_or_init(|| {
        let of = |(service, action)| metrics.endpoints.of(name(service), action);
        ec2::counted().map(of).collect()
    })
}
