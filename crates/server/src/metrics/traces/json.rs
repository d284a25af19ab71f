//! The form of OTLP over HTTP that is JSON: an `ExportTraceServiceRequest`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::span::Span;

/// `SPAN_KIND_INTERNAL` and `SPAN_KIND_SERVER`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`; a span that did not fail says nothing of a status.
const ERROR: u8 = 2;

/// A moment by both clocks, by which times of spans are told. It is the same for many spans, so that those
/// of one trace are in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    /// The moment.
    pub(super) at: Instant,
    /// How long after 1970 it was.
    pub(super) since_epoch: Duration,
}

impl Anchor {
    /// How long after 1970 a moment was.
    pub(super) fn since_epoch(&self, moment: Instant) -> Duration {
        match moment.checked_duration_since(self.at) {
            Some(later) => self.since_epoch + later,
            None => self.since_epoch.saturating_sub(self.at.duration_since(moment)),
        }
    }

    /// Numbers of 64 bits are strings in this form.
    fn nanos(&self, moment: Instant) -> String {
        self.since_epoch(moment).as_nanos().to_string()
    }
}

/// A request to a collector.
pub(super) fn request(spans: &[Span], anchor: Anchor) -> Value {
    let spans: Vec<Value> = spans.iter().map(|it| span(it, anchor)).collect();
    let resource = [("service.name", "causeway"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = resource.map(|(name, value)| attribute(name, value));
    json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "causeway" }, "spans": spans }],
        }],
    })
}

fn span(span: &Span, anchor: Anchor) -> Value {
    let attributes = span.attributes.iter().map(|(name, value)| attribute(name, value));
    let mut said = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": if span.parent.is_none() { SERVER } else { INTERNAL },
        "startTimeUnixNano": anchor.nanos(span.began),
        "endTimeUnixNano": anchor.nanos(span.ended.max(span.began)),
        "attributes": attributes.collect::<Vec<_>>(),
        "status": if span.failed { json!({ "code": ERROR }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        said["parentSpanId"] = format!("{parent:016x}").into();
    }
    said
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}
