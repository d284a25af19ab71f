//! Rules of flow logs.

use std::sync::Arc;

use super::lookup::absent;
use super::{Decision, Outcome, refuse};
use crate::command::{CreateFlowLogs, Reply};
use crate::resource::*;
use crate::{Code, FlowLogId, Key, Kind, PrefixedId, Refused, Scope};

/// How many flow logs one resource may have. EC2's quota is smaller; this one protects the machine.
const MOST_OF_ONE: usize = 50;
/// The longest name of a group of logs, as in CloudWatch Logs.
const LONGEST_GROUP: usize = 512;
/// The longest ARN, as in EC2.
const LONGEST_ARN: usize = 2048;

impl Decision<'_> {
    pub(super) fn create_flow_logs(&mut self, scope: Scope, new: &CreateFlowLogs) -> Outcome {
        let token = new.client_token.as_ref();
        if let Some(made) = self.repeated(scope, Kind::FlowLog, token)? {
            let rest = self.world.naming(made, Kind::FlowLog);
            return Ok(Reply::Partly {
                made: std::iter::once(made).chain(rest).collect(),
                refused: Vec::new(),
            });
        }
        check_settings(&new.settings)?;
        super::tag::check_tags(&new.tags)?;
        for of in &new.of {
            match *of {
                FlowLogSubject::Vpc(id) => drop(self.editable_vpc(scope, id)?),
                FlowLogSubject::Subnet(id) => {
                    self.in_editable(scope, self.own_subnet(scope, id)?)?;
                }
                FlowLogSubject::Eni(id) => {
                    self.in_editable(scope, self.own_eni(scope, id)?)?;
                }
            }
        }
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        let mut first = None;
        for of in &new.of {
            if let Err(why) = self.check_flow_log(scope, *of, &new.settings) {
                refused.push((of.to_string(), why));
                continue;
            }
            let id = FlowLogId::fresh(self.ids);
            let alone = first.is_none();
            self.put(FlowLog {
                id,
                account: scope.account,
                region: scope.region,
                settings: new.settings.clone(),
                of: *of,
                first: *first.get_or_insert(id),
                client_token: token.filter(|_| alone).map(|token| token.of(scope)),
                tags: new.tags.clone(),
                created: self.now,
            });
            made.push(Key::FlowLog(id));
        }
        Ok(Reply::Partly { made, refused })
    }

    fn check_flow_log(
        &self,
        scope: Scope,
        of: FlowLogSubject,
        new: &FlowLogSettings,
    ) -> Result<(), Refused> {
        let all = || self.world.flow_logs_of(of.key());
        if all().any(|log| log.settings.repeats(new)) {
            return refuse(
                Code::FlowLogAlreadyExists,
                "Error. There is an existing Flow Log with the same configuration and log \
                 destination.",
            );
        }
        if all().count() >= MOST_OF_ONE {
            return refuse(
                Code::FlowLogsLimitExceeded,
                format_args!("You have reached the limit of {MOST_OF_ONE} flow logs of '{of}'."),
            );
        }
        // What is left is shared as `edge::Shares` does, so that no account takes all of it.
        let left = FlowLog::MOST.saturating_sub(self.world.flow_logs().count());
        let own = self.world.flow_logs().filter(|log| log.account == scope.account).count();
        if own >= left {
            return refuse(
                Code::FlowLogsLimitExceeded,
                format_args!(
                    "You have {own} flow logs, and of the {} that there may be, {left} are left. Delete \
                     some, or have the operator see who needs theirs.",
                    FlowLog::MOST
                ),
            );
        }
        Ok(())
    }

    /// Deletes those that there are; of the others it says that there are none.
    pub(super) fn delete_flow_logs(&mut self, scope: Scope, ids: &[FlowLogId]) -> Outcome {
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for id in ids {
            if self.own_flow_log(scope, *id).is_ok() {
                self.forget_flow_log(*id);
                made.push(Key::FlowLog(*id));
            } else {
                let why = Refused::new(
                    Code::FlowLogNotFound,
                    format_args!(
                        "These flow log ids in the input list are not found: [TotalCount: 1] {id}"
                    ),
                );
                refused.push((id.to_string(), why));
            }
        }
        Ok(Reply::Partly { made, refused })
    }

    /// Deletes the flow logs of what is deleted.
    pub(super) fn delete_flow_logs_of(&mut self, key: Key) {
        let ids: Vec<FlowLogId> = self.world.flow_logs_of(key).map(|log| log.id).collect();
        ids.into_iter().for_each(|id| self.forget_flow_log(id));
    }

    /// Deletes a flow log. What the same request made then has another first one, which answers repeats.
    fn forget_flow_log(&mut self, id: FlowLogId) {
        let Some(old) = self.world.flow_log(id).cloned() else { return };
        let rest: Vec<Arc<FlowLog>> = self.world.flow_logs_of(Key::FlowLog(id)).cloned().collect();
        self.delete(Key::FlowLog(id));
        let Some(first) = rest.first().map(|log| log.id) else { return };
        for log in rest {
            let token = old.client_token.clone().filter(|_| log.id == first);
            self.put(FlowLog { first, client_token: token, ..FlowLog::clone(&log) });
        }
    }

    pub(super) fn own_flow_log(
        &self,
        scope: Scope,
        id: FlowLogId,
    ) -> Result<Arc<FlowLog>, Refused> {
        let found = self.world.flow_log(id).filter(|log| log.is_of(scope));
        found.cloned().ok_or_else(|| absent(Code::FlowLogNotFound, "flow log ID", id))
    }
}

fn check_settings(new: &FlowLogSettings) -> Result<(), Refused> {
    if ![60, 600].contains(&new.interval) {
        return refuse(Code::InvalidParameter, "Invalid Flow Log Max Aggregation Interval");
    }
    check_format(&new.format)?;
    check_destination(&new.destination)?;
    let needs_role = matches!(new.destination, FlowLogDestination::CloudWatch { .. });
    if needs_role && new.role.is_none() {
        return refuse(
            Code::InvalidParameter,
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        );
    }
    if !needs_role && !matches!(new.destination, FlowLogDestination::Firehose { .. }) {
        let unused = [
            ("DeliverLogsPermissionArn", &new.role),
            ("DeliverCrossAccountRole", &new.cross_account_role),
        ];
        if let Some((name, _)) = unused.iter().find(|(_, role)| role.is_some()) {
            return refuse(
                Code::InvalidParameter,
                format_args!("{name} is not applicable for s3 delivery."),
            );
        }
    }
    for (name, role) in [
        ("DeliverLogsPermissionArn", &new.role),
        ("DeliverCrossAccountRole", &new.cross_account_role),
    ] {
        let wrong = |role: &&String| !is_arn(role, "iam", |rest| rest.starts_with("role/"));
        if let Some(role) = role.as_ref().filter(wrong) {
            return refuse(
                Code::InvalidParameter,
                format_args!("{name} '{}' is not the ARN of an IAM role.", cut(role)),
            );
        }
    }
    if new.files.is_some() && !matches!(new.destination, FlowLogDestination::S3 { .. }) {
        return refuse(
            Code::InvalidParameter,
            "DestinationOptions are supported only if LogDestinationType is s3.",
        );
    }
    Ok(())
}

fn check_format(format: &str) -> Result<(), Refused> {
    let mut seen = Vec::new();
    for word in format.split_ascii_whitespace() {
        let field = word.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let known = field.filter(|field| FlowLogSettings::FIELDS.contains(field));
        let Some(field) = known else {
            return refuse(
                Code::InvalidParameter,
                format_args!("LogFormat has an unknown field: '{}'", cut(word)),
            );
        };
        if seen.contains(&field) {
            return refuse(
                Code::InvalidParameter,
                format_args!("LogFormat has a field twice: '{word}'"),
            );
        }
        seen.push(field);
    }
    if seen.is_empty() {
        return refuse(Code::InvalidParameter, "LogFormat must have at least one field.");
    }
    Ok(())
}

fn check_destination(destination: &FlowLogDestination) -> Result<(), Refused> {
    let wrong = |what: &str| {
        refuse(Code::InvalidParameter, format_args!("LogDestination is not the ARN of {what}."))
    };
    let in_group = |c: char| c.is_ascii_alphanumeric() || "_-./#".contains(c);
    match destination {
        FlowLogDestination::CloudWatch { group, arn } => {
            let of_group =
                |arn: &String| is_arn(arn, "logs", |rest| rest.starts_with("log-group:"));
            if arn.as_ref().is_some_and(|arn| !of_group(arn)) {
                return wrong("a log group");
            }
            if group.is_empty() || group.len() > LONGEST_GROUP || !group.chars().all(in_group) {
                return refuse(
                    Code::InvalidParameter,
                    format_args!("'{}' is not a valid name of a log group.", cut(group)),
                );
            }
        }
        FlowLogDestination::S3 { arn } => {
            let bucket = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !is_arn(arn, "s3", bucket) {
                return wrong("a bucket");
            }
            if arn.split('/').skip(1).any(|folder| folder == "AWSLogs") {
                return refuse(
                    Code::InvalidParameter,
                    "LogDestination has the reserved folder name AWSLogs.",
                );
            }
        }
        FlowLogDestination::Firehose { arn } => {
            if !is_arn(arn, "firehose", |rest| rest.starts_with("deliverystream/")) {
                return wrong("a delivery stream");
            }
        }
    }
    Ok(())
}

/// Whether a text is an ARN of a service, with such a resource at its end.
fn is_arn(text: &str, service: &str, resource: impl Fn(&str) -> bool) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, partition, of) = (part(), part(), part());
    let (region, account, rest) = (part(), part(), part());
    text.len() <= LONGEST_ARN
        && text.chars().all(|c| c.is_ascii_graphic())
        && arn == "arn"
        && partition.starts_with("aws")
        && of == service
        && (account.is_empty() || account.bytes().all(|b| b.is_ascii_digit()))
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && resource(rest)
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
