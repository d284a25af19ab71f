use super::fixture::*;
use crate::command::*;
use crate::resource::*;
use crate::*;

fn net() -> (Fixture, SubnetId) {
    let mut f = Fixture::new();
    let vpc = f.vpc("10.2.0.0/16");
    let subnet = f.subnet(vpc, "10.2.1.0/24");
    (f, subnet)
}

fn hear(f: &mut Fixture, id: InstanceId, report: WorkloadReport) {
    let workloads = [(WorkloadId::Instance(id), report)].into();
    let seen = Observation { workloads, ..Default::default() };
    f.decide(Caller::System, SystemCommand::Observe(seen).into()).unwrap();
}

fn running(f: &mut Fixture, subnet: SubnetId) -> InstanceId {
    let id = f.instance(subnet);
    hear(f, id, WorkloadReport::Running);
    id
}

fn get(f: &Fixture, id: InstanceId) -> Instance {
    Instance::clone(f.world.instance(id).unwrap())
}

/// Whether its process is to run; `None` if it is to go.
fn runs(f: &Fixture, id: InstanceId) -> Option<bool> {
    let plan = plan(&f.world, f.now);
    plan.workloads.0.get(&WorkloadId::Instance(id)).map(|intent| intent.run)
}

fn ended() -> WorkloadReport {
    WorkloadReport::Ended(Exit::Code(0))
}

fn modify(instance: InstanceId, change: InstanceChange) -> Ec2Command {
    Ec2Command::ModifyInstanceAttribute { instance, change }
}

#[test]
fn an_instance_stops_and_starts_again_with_its_address() {
    use Ec2Command as C;
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    let (address, eni) = (get(&f, id).address, get(&f, id).eni);
    let (stop, start) =
        (C::StopInstances { instances: vec![id] }, C::StartInstances { instances: vec![id] });
    f.run(stop.clone());
    assert_eq!(get(&f, id).state, InstanceState::Stopping);
    assert_eq!(runs(&f, id), Some(false), "its process is stopped, and what it wrote is kept");
    assert!(f.world.awaits_end(WorkloadId::Instance(id)));
    assert_eq!(f.refused(start.clone()), Code::InstanceState);
    f.run(stop.clone());
    hear(&mut f, id, ended());
    assert_eq!(get(&f, id).state, InstanceState::Stopped);
    assert_eq!(f.world.eni(eni).unwrap().addresses, [address], "its interface stays");
    // A sweep says again how it ended, and another start of the server does.
    for again in [ended(), WorkloadReport::Gone, WorkloadReport::Interrupted] {
        assert!(!f.world.is_news(WorkloadId::Instance(id), &again));
    }
    f.run(stop);
    assert_eq!(f.refused(C::RebootInstances { instances: vec![id] }), Code::InstanceState);

    f.now = f.now + std::time::Duration::from_secs(60);
    f.run(start.clone());
    assert_eq!((get(&f, id).state, get(&f, id).launched), (InstanceState::Pending, f.now));
    assert_eq!(runs(&f, id), Some(true));
    hear(&mut f, id, ended());
    assert_eq!(get(&f, id).state, InstanceState::Pending, "that may have been its last end");
    assert_eq!(runs(&f, id), Some(true));
    hear(&mut f, id, WorkloadReport::Running);
    assert_eq!((get(&f, id).state, get(&f, id).boot), (InstanceState::Running, Boot::Settled));
    assert_eq!(get(&f, id).address, address);
    f.run(start);

    f.run(C::TerminateInstances { instances: vec![id] });
    hear(&mut f, id, WorkloadReport::Gone);
    assert!(f.world.eni(eni).is_none());
    for command in [
        C::StartInstances { instances: vec![id] },
        C::StopInstances { instances: vec![id] },
        C::RebootInstances { instances: vec![id] },
    ] {
        assert_eq!(f.refused(command), Code::InstanceState);
    }
}

#[test]
fn a_stopped_instance_is_terminated_where_it_is() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    f.run(Ec2Command::StopInstances { instances: vec![id] });
    hear(&mut f, id, WorkloadReport::Gone);
    f.run(Ec2Command::TerminateInstances { instances: vec![id] });
    assert_eq!((get(&f, id).state, runs(&f, id)), (InstanceState::ShuttingDown, None));
    hear(&mut f, id, WorkloadReport::Gone);
    assert_eq!(get(&f, id).state, InstanceState::Terminated);
}

#[test]
fn a_rebooted_instance_is_running_all_the_while() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    f.run(Ec2Command::RebootInstances { instances: vec![id] });
    assert_eq!((get(&f, id).state, runs(&f, id)), (InstanceState::Running, Some(false)));
    assert!(f.world.awaits_end(WorkloadId::Instance(id)));
    hear(&mut f, id, WorkloadReport::Running);
    assert_eq!(get(&f, id).boot, Boot::Ending, "that was before it ended");
    hear(&mut f, id, ended());
    assert_eq!((get(&f, id).state, runs(&f, id)), (InstanceState::Running, Some(true)));
    hear(&mut f, id, ended());
    assert_eq!(get(&f, id).state, InstanceState::Running, "that was its last end");
    hear(&mut f, id, WorkloadReport::Running);
    assert_eq!(get(&f, id).boot, Boot::Settled);
}

/// Nobody can tell an old end from a new one until it is seen to run, so it is told to run some times.
#[test]
fn an_instance_that_ends_each_time_is_stopped_in_the_end() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    f.run(Ec2Command::StopInstances { instances: vec![id] });
    hear(&mut f, id, ended());
    f.run(Ec2Command::StartInstances { instances: vec![id] });
    for attempt in 1..=5 {
        let plan = plan(&f.world, f.now);
        let intent = &plan.workloads.0[&WorkloadId::Instance(id)];
        assert_eq!((intent.run, intent.attempt), (true, attempt));
        hear(&mut f, id, ended());
        assert_eq!(get(&f, id).state, InstanceState::Pending);
    }
    hear(&mut f, id, ended());
    assert_eq!(
        (get(&f, id).state, get(&f, id).exit),
        (InstanceState::Stopped, Some(Exit::Code(0)))
    );
}

#[test]
fn an_instance_that_shuts_down_by_itself_does_as_it_was_told_before() {
    let (mut f, subnet) = net();
    let stops = running(&mut f, subnet);
    hear(&mut f, stops, ended());
    assert_eq!(get(&f, stops).state, InstanceState::Stopped);
    assert_eq!(get(&f, stops).exit, Some(Exit::Code(0)));
    let goes = running(&mut f, subnet);
    f.run(modify(goes, InstanceChange::Shutdown(ShutdownBehavior::Terminate)));
    hear(&mut f, goes, ended());
    assert_eq!(get(&f, goes).state, InstanceState::ShuttingDown);
    // One that never ran has nothing to be started again.
    let broken = f.instance(subnet);
    hear(&mut f, broken, WorkloadReport::Ended(Exit::Failed("no".to_owned())));
    assert_eq!(get(&f, broken).state, InstanceState::ShuttingDown);
}

#[test]
fn what_guards_an_instance_is_honoured() {
    use Ec2Command as C;
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    let other = running(&mut f, subnet);
    let terminate = C::TerminateInstances { instances: vec![other, id] };
    f.run(modify(id, InstanceChange::TerminationDisabled(true)));
    let (code, message) = f.refused_as(ours(), terminate.clone());
    assert_eq!(code, Code::OperationNotPermitted);
    assert!(message.contains("disableApiTermination"), "{message}");
    assert_eq!(get(&f, other).state, InstanceState::Running, "a refusal changes nothing");
    f.run(modify(id, InstanceChange::TerminationDisabled(false)));
    f.run(modify(id, InstanceChange::StopDisabled(true)));
    let stop = C::StopInstances { instances: vec![id] };
    assert_eq!(f.refused(stop.clone()), Code::OperationNotPermitted);
    assert_eq!(f.refused(terminate.clone()), Code::OperationNotPermitted);
    f.run(modify(id, InstanceChange::StopDisabled(false)));
    f.run(stop);
    f.run(terminate);
}

#[test]
fn some_of_an_instance_changes_only_while_it_is_stopped() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    let changes = [
        InstanceChange::Type("m5.large".to_owned()),
        InstanceChange::UserData(Some("IyEvYmluL3NoCg==".to_owned())),
        InstanceChange::EbsOptimized(true),
    ];
    for change in &changes {
        assert_eq!(f.refused(modify(id, change.clone())), Code::InstanceState, "{change:?}");
    }
    f.run(Ec2Command::StopInstances { instances: vec![id] });
    hear(&mut f, id, ended());
    for change in changes {
        f.run(modify(id, change));
    }
    let changed = get(&f, id);
    assert_eq!((changed.instance_type.as_str(), changed.options.ebs_optimized), ("m5.large", true));
    assert_eq!(changed.user_data.as_deref(), Some("IyEvYmluL3NoCg=="));
    for (change, code) in [
        (InstanceChange::Type("large".to_owned()), Code::InvalidParameterValue),
        (InstanceChange::UserData(Some("abc".to_owned())), Code::UserDataMalformed),
        (InstanceChange::VolumeStays("/dev/sdz".to_owned(), true), Code::BlockDeviceNotFound),
        (InstanceChange::Groups(Vec::new()), Code::MissingParameter),
    ] {
        assert_eq!(f.refused(modify(id, change.clone())), code, "{change:?}");
    }
}

#[test]
fn the_rest_changes_at_any_time() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    let vpc = get(&f, id).vpc;
    let group = f.group(vpc, "web");
    let metadata = MetadataChange { tokens_required: Some(true), ..Default::default() };
    for change in [
        InstanceChange::SourceDestCheck(false),
        InstanceChange::Groups(vec![group]),
        InstanceChange::VolumeStays("/dev/xvda".to_owned(), true),
        InstanceChange::Metadata(metadata),
        InstanceChange::Metadata(MetadataChange { hop_limit: Some(3), ..Default::default() }),
        InstanceChange::RecoveryDisabled(true),
        InstanceChange::Names { by_id: Some(true), a_record: None, aaaa_record: None },
    ] {
        f.run(modify(id, change));
    }
    f.run(Ec2Command::MonitorInstances { instances: vec![id], on: true });
    let credits = vec![(id, CpuCredits::Standard)];
    f.run(Ec2Command::ModifyInstanceCreditSpecification { credits });
    let eni = f.world.eni(get(&f, id).eni).unwrap();
    assert_eq!((eni.source_dest_check, &eni.groups[..]), (false, &[group][..]));
    let options = get(&f, id).options;
    assert_eq!(options.credits, Some(CpuCredits::Standard));
    assert!(options.volume.stays && options.monitoring && options.recovery_disabled);
    assert!(options.names.by_id && !options.names.a_record);
    let metadata = options.metadata.unwrap();
    assert_eq!((metadata.tokens_required, metadata.hop_limit), (true, 3), "the rest stays");
}

#[test]
fn unknown_instances_are_named_together() {
    let (mut f, subnet) = net();
    let known = running(&mut f, subnet);
    let unknown: Vec<_> = (1..=2).map(|n| InstanceId::fresh(&mut Sequence(n << 60))).collect();
    let instances = vec![unknown[0], known, unknown[1]];
    let words = format!("The instance IDs '{}, {}' do not exist", unknown[0], unknown[1]);
    for command in [
        Ec2Command::StopInstances { instances: instances.clone() },
        Ec2Command::StartInstances { instances: instances.clone() },
        Ec2Command::RebootInstances { instances: instances.clone() },
        Ec2Command::TerminateInstances { instances: instances.clone() },
        Ec2Command::MonitorInstances { instances: instances.clone(), on: true },
    ] {
        assert_eq!(f.refused_as(ours(), command), (Code::InstanceNotFound, words.clone()));
    }
}

/// Who follows several changes as one sees that an instance ended and was started, each time.
#[test]
fn an_end_and_a_start_are_no_less_than_both() {
    let (mut f, subnet) = net();
    let id = running(&mut f, subnet);
    let intent = |f: &Fixture| plan(&f.world, f.now).workloads.0[&WorkloadId::Instance(id)].clone();
    for _ in 0..2 {
        let before = intent(&f);
        hear(&mut f, id, ended());
        assert_eq!(get(&f, id).state, InstanceState::Stopped);
        f.run(Ec2Command::StartInstances { instances: vec![id] });
        assert_ne!(intent(&f), before);
        hear(&mut f, id, WorkloadReport::Running);
        assert_eq!(get(&f, id).state, InstanceState::Running);
    }
}
