//! Couriers, with receivers behind real sockets, and the time by hand.

use model::{Reachable, WebhookId};
use store::{Batch, DataDir, Sqlite};

use super::*;
use crate::ledger::event_row;
use crate::outbox::receiver::Receiver;

const SECRET: &str = "0123456789abcdef";

/// A store with events, and webhooks on it.
struct Post {
    store: SharedStore,
    dialer: Dialer,
    _dir: tempfile::TempDir,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the webhooks were made.
fn begin() -> Timestamp {
    time("2026-01-31T12:00:00Z")
}

fn later(seconds: u64) -> Timestamp {
    begin() + Duration::from_secs(seconds)
}

fn anything() -> Reachable {
    Reachable { anything: true, ..Reachable::default() }
}

impl Post {
    fn new(dialer: Dialer) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let store: Box<dyn Store> = Box::new(Sqlite::open(&data).unwrap());
        Self { store: Arc::new(Mutex::new(store)), dialer, _dir: dir }
    }

    fn open() -> Self {
        Self::new(Dialer::new(anything()))
    }

    fn happens(&self, event: &Event) {
        let batch = Batch { events: vec![event_row(event)], ..Batch::default() };
        self.store.lock().unwrap().commit(&batch).unwrap();
    }

    fn courier(&self, url: &str, owner: WebhookOwner, include: &[&str]) -> Courier {
        let hook = Webhook {
            id: WebhookId(Uuid::from_u128(7)),
            owner,
            url: url.to_owned(),
            include: include.iter().map(|name| (*name).to_owned()).collect(),
            secret: SECRET.to_owned(),
            authorization: None,
            created: begin(),
            updated: None,
            level: WebhookLevel::Sync,
        };
        Courier::new(Arc::new(hook), self.dialer.clone(), Arc::clone(&self.store))
    }

    fn deliveries(&self) -> Vec<WebhookDelivery> {
        let id = Uuid::from_u128(7).to_string();
        let rows = self.store.lock().unwrap().deliveries(&id, 100).unwrap();
        rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }
}

fn drift(number: u64) -> Event {
    model::drift_repaired("vpc-1", &format!("route {number}"), later(number))
}

async fn turn(courier: &mut Courier, now: Timestamp) -> Next {
    courier.turn(|| now).await.unwrap()
}

#[tokio::test]
async fn events_come_signed_in_their_order_and_once_where_all_is_well() {
    let receiver = Receiver::http(false).await;
    let post = Post::open();
    post.happens(&model::drift_repaired("vpc-1", "before", begin() - Duration::from_secs(1)));
    let url = receiver.url("http", "/hook?x=1").replace("http://", "http://u:p%40ss@");
    let mut courier = post.courier(&url, WebhookOwner::Operator, &["drift"]);
    assert_eq!(turn(&mut courier, later(9)).await, Next::Event);
    post.happens(&drift(1));
    post.happens(&model::certificate_renewed("apps", "00", later(2)));
    post.happens(&drift(3));
    assert_eq!(turn(&mut courier, later(9)).await, Next::Event);
    assert_eq!(turn(&mut courier, later(99)).await, Next::Event);
    let requests = receiver.requests();
    let texts: Vec<_> =
        requests.iter().map(|it| it.json()["event"]["details"]["what"].clone()).collect();
    assert_eq!(texts, ["route 1", "route 3"], "not what was before, nor what was not asked for");
    let first = &requests[0];
    assert_eq!(first.path, "/hook?x=1");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("authorization"), format!("Basic {}", BASE64.encode("u:p@ss")));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64.decode(first.header("heroku-webhook-hmac-sha256")).unwrap();
    hmac::verify(&key, &first.body, &signature).unwrap();
    assert_eq!(first.json()["id"], first.header("causeway-delivery"));
    assert_ne!(first.json()["id"], requests[1].json()["id"]);
    assert!(post.deliveries().iter().all(|it| it.status == DeliveryStatus::Succeeded));
}

#[tokio::test]
async fn a_failure_is_tried_again_after_a_pause_with_the_same_id_also_after_a_restart() {
    let receiver = Receiver::http(false).await;
    receiver.answers(&[500, 503]);
    let post = Post::open();
    post.happens(&drift(1));
    post.happens(&drift(2));
    let url = receiver.url("http", "/");
    let mut courier = post.courier(&url, WebhookOwner::Operator, &["*"]);
    let next = later(5) + Duration::from_secs(10);
    assert_eq!(turn(&mut courier, later(5)).await, Next::At(next));
    assert_eq!(turn(&mut courier, later(6)).await, Next::At(next), "not before its time");
    assert_eq!(receiver.requests().len(), 1);
    let noted = &post.deliveries()[0];
    assert_eq!((noted.status, noted.code), (DeliveryStatus::Retrying, Some(500)));
    // Another process goes on where this one was.
    let mut courier = post.courier(&url, WebhookOwner::Operator, &["*"]);
    assert_eq!(turn(&mut courier, later(6)).await, Next::At(next));
    let after = next + Duration::from_secs(30);
    assert_eq!(turn(&mut courier, next).await, Next::At(after));
    assert_eq!(turn(&mut courier, after).await, Next::Event);
    let requests = receiver.requests();
    let attempts: Vec<_> = requests
        .iter()
        .map(|it| (it.json()["event"]["number"].as_u64(), it.json()["attempt"].as_u64()))
        .collect();
    let expected = [(1, 1), (1, 2), (1, 3), (2, 1)].map(|(event, n)| (Some(event), Some(n)));
    assert_eq!(attempts, expected, "the later event waits for the earlier one");
    assert!(requests[..3].iter().all(|it| it.json()["id"] == requests[0].json()["id"]));
    let mut courier = post.courier(&url, WebhookOwner::Operator, &["*"]);
    assert_eq!(turn(&mut courier, after).await, Next::Event);
    assert_eq!(receiver.requests().len(), 4, "what was delivered is not sent again");
}

#[tokio::test]
async fn what_nobody_takes_for_three_days_is_given_up_and_the_rest_goes_on() {
    let receiver = Receiver::http(false).await;
    receiver.answers(&[500]);
    let post = Post::open();
    post.happens(&drift(1));
    post.happens(&model::drift_repaired("vpc-1", "late", later(4 * 24 * 3600)));
    let mut courier = post.courier(&receiver.url("http", "/"), WebhookOwner::Operator, &["*"]);
    assert_eq!(turn(&mut courier, later(4 * 24 * 3600)).await, Next::Event);
    let statuses: Vec<_> = post.deliveries().iter().map(|it| it.status).collect();
    assert_eq!(statuses, [DeliveryStatus::Succeeded, DeliveryStatus::Failed]);
}

#[tokio::test]
async fn no_redirection_is_followed() {
    let (receiver, elsewhere) = (Receiver::http(false).await, Receiver::http(false).await);
    receiver.redirects(&elsewhere.url("http", "/"));
    let post = Post::open();
    post.happens(&drift(1));
    let mut courier = post.courier(&receiver.url("http", "/"), WebhookOwner::Operator, &["*"]);
    assert!(matches!(turn(&mut courier, later(5)).await, Next::At(_)));
    assert_eq!(post.deliveries()[0].code, Some(307));
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn nothing_is_sent_to_what_may_not_be_reached() {
    let receiver = Receiver::http(true).await;
    let loopback = Reachable { allow: vec!["127.0.0.0/8".parse().unwrap()], ..<_>::default() };
    for (reachable, reached) in [(Reachable::default(), false), (loopback, true)] {
        let roots = receiver.root.clone().into_iter().collect();
        let post = Post::new(Dialer::trusting(reachable, roots));
        post.happens(&drift(1));
        let mut courier = post.courier(&receiver.url("https", "/"), WebhookOwner::Operator, &["*"]);
        turn(&mut courier, later(5)).await;
        let delivery = &post.deliveries()[0];
        assert_eq!(delivery.code.is_some(), reached, "{delivery:?}");
        assert_eq!(receiver.requests().len(), usize::from(reached));
        if !reached {
            let error = delivery.error.clone().unwrap();
            assert!(error.contains("may not be reached"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let (receiver, other) = (Receiver::http(true).await, Receiver::http(true).await);
    let roots = other.root.clone().into_iter().collect();
    let post = Post::new(Dialer::trusting(anything(), roots));
    post.happens(&drift(1));
    let mut courier = post.courier(&receiver.url("https", "/"), WebhookOwner::Operator, &["*"]);
    turn(&mut courier, later(5)).await;
    let error = post.deliveries()[0].error.clone().unwrap();
    assert!(error.starts_with("TLS: "), "{error}");
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn everybody_is_sent_what_concerns_them_alone() {
    let receiver = Receiver::http(false).await;
    let post = Post::open();
    let account: model::AccountId = "200000000002".parse().unwrap();
    let team = model::TeamId(Uuid::from_u128(1));
    let event = |number, accounts, teams| Event {
        space: Some("alpha".to_owned()),
        audience: model::Audience { accounts, teams },
        ..drift(number)
    };
    post.happens(&event(1, vec![account], vec![team]));
    post.happens(&event(2, Vec::new(), vec![team]));
    post.happens(&event(3, Vec::new(), Vec::new()));
    let url = receiver.url("http", "/");
    let mut sent = Vec::new();
    for owner in [WebhookOwner::Account(account), WebhookOwner::Team(team), WebhookOwner::Operator]
    {
        post.store.lock().unwrap().forget_deliveries(&Uuid::from_u128(7).to_string()).unwrap();
        let before = receiver.requests().len();
        turn(&mut post.courier(&url, owner, &["*"]), later(9)).await;
        let new = receiver.requests().split_off(before);
        sent.push(
            new.iter()
                .map(|it| {
                    let event = &it.json()["event"];
                    (event["number"].as_u64().unwrap(), event["space"] == "alpha")
                })
                .collect::<Vec<_>>(),
        );
    }
    // The space's name is its team's, and the operator's.
    assert_eq!(sent[0], [(1, false)]);
    assert_eq!(sent[1], [(1, true), (2, true)]);
    assert_eq!(sent[2], [(1, true), (2, true), (3, true)]);
}

#[tokio::test]
async fn a_receiver_that_is_away_holds_up_nobody_else() {
    let receiver = Receiver::http(false).await;
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let post = Post::open();
    post.happens(&drift(1));
    let mut dead = post.courier(&gone, WebhookOwner::Operator, &["*"]);
    assert!(matches!(turn(&mut dead, later(5)).await, Next::At(_)));
    assert!(post.deliveries()[0].error.as_ref().unwrap().contains("connection"));
    post.store.lock().unwrap().forget_deliveries(&Uuid::from_u128(7).to_string()).unwrap();
    let mut alive = post.courier(&receiver.url("http", "/"), WebhookOwner::Operator, &["*"]);
    assert_eq!(turn(&mut alive, later(5)).await, Next::Event);
    assert_eq!(receiver.requests().len(), 1);
}

fn app_event(number: u64) -> AppEvent {
    AppEvent {
        id: Uuid::from_u128(u128::from(number)),
        at: later(number),
        app: model::AppId(Uuid::from_u128(0xc1)),
        entity: model::AppEntity::Release,
        action: model::AppAction::Create,
        actor: None,
        data: serde_json::json!({ "version": number }),
        previous: serde_json::Map::new(),
    }
}

impl Post {
    fn app_happens(&self, number: u64, hook: WebhookId) {
        let event = app_event(number);
        let row = EventRow {
            number: 0,
            at: event.at.millis(),
            kind: event.entity.name().to_owned(),
            resource: String::new(),
            parties: vec![model::party_of_app(event.app), party_of_hook(hook)],
            body: serde_json::to_string(&event).unwrap(),
        };
        let batch = Batch { events: vec![row], ..Batch::default() };
        self.store.lock().unwrap().commit(&batch).unwrap();
    }

    fn app_courier(&self, url: &str, level: WebhookLevel) -> Courier {
        let owner = WebhookOwner::App(model::AppId(Uuid::from_u128(0xc1)));
        let courier = self.courier(url, owner, &["api:release"]);
        let authorization = Some("Bearer t0ken".to_owned());
        let hook = Webhook { level, authorization, ..Webhook::clone(&courier.hook) };
        Courier::new(Arc::new(hook), self.dialer.clone(), Arc::clone(&self.store))
    }

    fn app_deliveries(&self) -> Vec<AppDelivery> {
        let id = Uuid::from_u128(7).to_string();
        let rows = self.store.lock().unwrap().deliveries(&id, 100).unwrap();
        rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }
}

#[tokio::test]
async fn an_app_is_told_in_herokus_form_and_once_where_it_wants_no_more() {
    let receiver = Receiver::http(false).await;
    receiver.answers(&[500]);
    let post = Post::open();
    let (own, others) = (WebhookId(Uuid::from_u128(7)), WebhookId(Uuid::from_u128(8)));
    post.app_happens(1, own);
    post.app_happens(2, others);
    post.happens(&drift(3));
    post.app_happens(4, own);
    let mut courier = post.app_courier(&receiver.url("http", "/"), WebhookLevel::Notify);
    assert_eq!(turn(&mut courier, later(9)).await, Next::Event);
    let requests = receiver.requests();
    let versions: Vec<_> = requests.iter().map(|it| it.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [1, 4], "its own alone, and the first one is not sent again");
    let [first, second] = requests.as_slice() else { panic!("{}", requests.len()) };
    assert_eq!(first.header("authorization"), "Bearer t0ken");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64.decode(second.header("heroku-webhook-hmac-sha256")).unwrap();
    hmac::verify(&key, &second.body, &signature).unwrap();
    let sent = second.json();
    assert_eq!((&sent["action"], &sent["resource"]), (&"create".into(), &"release".into()));
    let metadata = &sent["webhook_metadata"];
    assert_eq!(metadata["event"]["include"], "api:release");
    assert_eq!(metadata["event"]["id"], sent["id"]);
    assert_eq!(metadata["webhook"]["id"], own.to_string());
    let noted = post.app_deliveries();
    let statuses: Vec<_> = noted.iter().map(|it| (it.status, it.code)).collect();
    let (failed, succeeded) = (Some(DeliveryStatus::Failed), Some(DeliveryStatus::Succeeded));
    assert_eq!(statuses, [(succeeded, Some(200)), (failed, Some(500))]);
    assert_eq!(metadata["delivery"]["id"], noted[0].id.to_string());
}

#[tokio::test]
async fn an_app_that_wants_all_is_told_again_in_the_same_order_also_after_a_restart() {
    let receiver = Receiver::http(false).await;
    receiver.answers(&[500, 502]);
    let post = Post::open();
    let own = WebhookId(Uuid::from_u128(7));
    post.app_happens(1, own);
    post.app_happens(2, own);
    let url = receiver.url("http", "/");
    let mut courier = post.app_courier(&url, WebhookLevel::Sync);
    let next = later(5) + Duration::from_secs(10);
    assert_eq!(turn(&mut courier, later(5)).await, Next::At(next));
    assert_eq!(post.app_deliveries()[0].status, Some(DeliveryStatus::Retrying));
    let mut courier = post.app_courier(&url, WebhookLevel::Sync);
    assert_eq!(turn(&mut courier, later(6)).await, Next::At(next), "not before its time");
    let after = next + Duration::from_secs(30);
    assert_eq!(turn(&mut courier, next).await, Next::At(after));
    assert_eq!(turn(&mut courier, after).await, Next::Event);
    let sent: Vec<_> =
        receiver.requests().iter().map(|it| it.json()["data"]["version"].clone()).collect();
    assert_eq!(sent, [1, 1, 1, 2]);
    let ids: Vec<_> = receiver
        .requests()
        .iter()
        .map(|it| it.json()["webhook_metadata"]["delivery"]["id"].clone())
        .collect();
    assert!(ids[0] == ids[2] && ids[2] != ids[3], "{ids:?}");
}
