//! How a host finds the server that leads.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::kit::*;
use crate::*;

fn addresses(servers: &[&Server]) -> Vec<String> {
    servers.iter().map(|server| server.address.to_string()).collect()
}

/// Says to all which of them leads, and has it lead.
fn lead(servers: &[&Server], leader: usize, epoch: u64) {
    let (all, leads) = (addresses(servers), servers[leader].address);
    for server in servers {
        let leader = Some(leads.to_string());
        *server.servers.lock().unwrap() = Servers { all: all.clone(), leader };
        let epoch = if server.address == leads { epoch } else { 0 };
        server.epoch.store(epoch, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_joined_by_one_server_finds_the_one_that_leads_and_the_next() {
    let first = Server::start().await;
    let second = Server::beside(&first).await;
    lead(&[&first, &second], 1, 2);
    // The one that does not lead lets it in, and says where the other is.
    let (dir, machine) = Machine::joined(&first).await;
    eventually("the leader has it", || second.connected()).await;
    assert!(first.connected().is_none());
    let known = Keep::at(dir.path()).identity().unwrap().unwrap();
    assert_eq!(known.told, addresses(&[&first, &second]));
    second.plan.change(1, Some(1));
    machine.comes_to(&second.plan.truth()).await;
    // It hears of another server while it is connected.
    let third = "192.0.2.3:4882".to_owned();
    second.servers.lock().unwrap().all.push(third.clone());
    let known = || Keep::at(dir.path()).identity().unwrap().unwrap().told.contains(&third);
    eventually("it knows of the third", || known().then_some(())).await;
    // Each of them knows who leads as soon as it is asked.
    lead(&[&first, &second], 0, 3);
    let began = tokio::time::Instant::now();
    eventually("the other leader has it", || first.connected()).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    first.plan.change(2, Some(2));
    machine.comes_to(&first.plan.truth()).await;
    machine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_goes_on_by_another_server_where_one_is_gone() {
    let first = Server::start().await;
    let second = Server::beside(&first).await;
    lead(&[&first, &second], 0, 2);
    let (_dir, machine) = Machine::joined(&first).await;
    eventually("the leader has it", || first.connected()).await;
    lead(&[&second], 0, 3);
    first.end().await;
    eventually("the other one has it", || second.connected()).await;
    second.plan.change(1, Some(1));
    machine.comes_to(&second.plan.truth()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_joins_by_whichever_server_answers() {
    let server = Server::start().await;
    let (dir, token) = (Dir::new(), server.token());
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("https://{}", gone.local_addr().unwrap());
    drop(gone);
    let servers = [nobody.clone(), server.url()];
    let (about, keep) = (about("one"), Keep::at(dir.path()));
    let parts = |servers| {
        let versions = Versions::OURS;
        JoinParts { servers, token: &token, about: &about, keep: &keep, versions }
    };
    let none = join(parts(&servers[..1])).await.unwrap_err();
    assert!(matches!(&none, JoinError::Unreachable { server, .. } if *server == nobody), "{none}");
    let joined = join(parts(&servers)).await.unwrap();
    assert_eq!(joined.servers.len(), 2, "it may be there again");
}

/// A server that lags behind the one that let a host in must not take it for one that was removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_lead_says_of_nobody_that_it_was_removed() {
    let first = Server::start().await;
    let stranger = Server::start().await;
    let (dir, machine) = Machine::joined(&first).await;
    eventually("it is connected", || first.connected()).await;
    machine.stop().await.unwrap();
    stranger.epoch.store(0, Ordering::SeqCst);
    point_at(dir.path(), stranger.address);
    let machine = Machine::start(dir.path());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!machine.ended.is_finished(), "it goes on and tries again");
    stranger.epoch.store(9, Ordering::SeqCst);
    let ended = tokio::time::timeout(Duration::from_secs(20), machine.ended).await.unwrap();
    assert!(matches!(ended.unwrap(), Err(HostError::Removed(_))), "the leader knows");
}
