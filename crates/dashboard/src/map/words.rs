//! The words of the map and of the matrix, in two languages. Status words are the APIs' own.

use model::PeeringStatus;

use super::scene::{Health, Kind, Peering, Sign};

/// What the map says, in a language.
pub trait Words {
    /// `space`, `VPC`.
    fn kind(&self, kind: Kind) -> &'static str;
    /// The name of the picture: what is on it.
    fn picture(&self, regions: usize, spaces: usize, vpcs: usize, peerings: usize) -> String;
    /// How many peerings a node has.
    fn peerings(&self, count: usize) -> String;
    /// A number of VPCs.
    fn vpcs(&self, count: usize) -> String;
    /// A node without any peering.
    fn not_peered(&self) -> &'static str;
    /// An account by its number.
    fn account(&self, id: &str) -> String;
    /// A subnet for dynos.
    fn dynos(&self) -> &'static str;
    /// A space's block of data services.
    fn data(&self) -> &'static str;
    /// What else a VPC has as its block.
    fn further_block(&self) -> &'static str;
    /// How many more there are.
    fn more(&self, count: usize) -> String;
    /// The way to the own page of a node.
    fn page(&self) -> &'static str;
    /// The state of some things of a group, as `1 stopped`.
    fn so_many(&self, count: usize, sign: Sign) -> String;
    /// A peering's state: its status, and what else there is to say.
    fn state(&self, peering: &Peering) -> String;
    /// From one thing to another.
    fn between(&self, from: &str, to: &str) -> String;
    /// What a sign stands for, in the legend.
    fn sign(&self, sign: Sign) -> &'static str;
    /// What the thickness of lines stands for.
    fn thickness(&self) -> &'static str;
    /// The name and the placeholder of the field to find things by.
    fn find(&self) -> &'static str;
    /// The name of the choice of a state.
    fn state_label(&self) -> &'static str;
    /// Every state.
    fn all_states(&self) -> &'static str;
    /// A state to choose.
    fn state_choice(&self, sign: Sign) -> &'static str;
    /// The button that asks.
    fn show(&self) -> &'static str;
    /// What ends looking for something.
    fn clear(&self) -> &'static str;
    /// The link to the map.
    fn map(&self) -> &'static str;
    /// The link to the matrix.
    fn matrix(&self) -> &'static str;
    /// How many of the things on the map were found.
    fn found(&self, count: usize, of: usize) -> String;
    /// How much is on the map.
    fn total(&self, vpcs: usize, groups: usize) -> String;
    /// Says whether one end is chosen, or two.
    fn chosen(&self, count: usize) -> String;
    /// Says that the search found nothing.
    fn nothing_found(&self, query: &str) -> String;
    /// Says that there are no networks yet.
    fn nothing(&self) -> &'static str;
    /// The way between what is chosen.
    fn way(&self, passes: Option<bool>) -> &'static str;
    /// The head of what does not work.
    fn broken(&self) -> &'static str;
    /// The head of what waits.
    fn waits(&self) -> &'static str;

    /// The first column of the matrix: where packets begin.
    fn from(&self) -> &'static str;
    /// The protocol's label.
    fn protocol(&self) -> &'static str;
    /// The port's label.
    fn port(&self) -> &'static str;
    /// The choice of only what is peered.
    fn only_peered(&self) -> &'static str;
    /// The choice of the other direction.
    fn reversed(&self) -> &'static str;
    /// The name of the matrix.
    fn who_reaches_whom(&self, traffic: &str) -> String;
    /// No peering.
    fn no_peering(&self) -> &'static str;
    /// The same network.
    fn itself(&self) -> &'static str;
    /// Every packet passes.
    fn passes(&self) -> &'static str;
    /// No packet passes.
    fn stopped(&self) -> &'static str;
    /// Some are stopped.
    fn part_stopped(&self, count: usize, of: usize) -> String;
    /// How many of the pairs were looked at.
    fn looked_at(&self, count: usize, of: usize) -> String;
    /// Nobody is there to send, or to answer.
    fn nobody(&self) -> &'static str;
    /// A request that waits.
    fn pending(&self) -> &'static str;
    /// A request that cannot be accepted.
    fn unacceptable(&self) -> &'static str;
    /// An active peering with what is another's: the own side lets it pass.
    fn own_side(&self) -> &'static str;
    /// The name of a cell.
    fn cell(&self, from: &str, to: &str, state: &str) -> String;
    /// The same for a cell that is a link to ask why.
    fn ask_why(&self, from: &str, to: &str, state: &str) -> String;
    /// Which rows or columns are shown.
    fn part(&self, from: usize, to: usize, of: usize) -> String;
    /// Rows, as a name for the links to more of them.
    fn rows(&self) -> &'static str;
    /// Columns, the same.
    fn columns(&self) -> &'static str;
    /// The link to what comes before.
    fn before(&self) -> &'static str;
    /// The link to what comes after.
    fn after(&self) -> &'static str;
    /// Below the matrix: where its cells come from.
    fn judged_by_rules(&self, time: &str) -> String;
}

/// The map in English.
#[derive(Debug, Clone, Copy)]
pub struct English;

/// The map in Japanese.
#[derive(Debug, Clone, Copy)]
pub struct Japanese;

fn s(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl Words for English {
    fn kind(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Space => "space",
            Kind::Vpc => "VPC",
        }
    }
    fn picture(&self, regions: usize, spaces: usize, vpcs: usize, peerings: usize) -> String {
        let (r, s1, v, p) = (s(regions), s(spaces), s(vpcs), s(peerings));
        format!(
            "Map: {regions}\u{a0}region{r}, {spaces}\u{a0}space{s1}, {vpcs}\u{a0}VPC{v}, \
             {peerings}\u{a0}peering{p}"
        )
    }
    fn peerings(&self, count: usize) -> String {
        format!("{count}\u{a0}peering{}", s(count))
    }
    fn vpcs(&self, count: usize) -> String {
        format!("{count}\u{a0}VPC{}", s(count))
    }
    fn not_peered(&self) -> &'static str {
        "not peered"
    }
    fn account(&self, id: &str) -> String {
        format!("account {id}")
    }
    fn dynos(&self) -> &'static str {
        "dynos"
    }
    fn data(&self) -> &'static str {
        "data services"
    }
    fn further_block(&self) -> &'static str {
        "further block"
    }
    fn more(&self, count: usize) -> String {
        format!("{count}\u{a0}more")
    }
    fn page(&self) -> &'static str {
        "Open its page"
    }
    fn so_many(&self, count: usize, sign: Sign) -> String {
        let word = match sign {
            Sign::Bad => "stopped",
            Sign::Warning => "cannot be accepted",
            Sign::Waiting => "pending",
            Sign::Moving => "in motion",
            Sign::Ok => "active",
            Sign::Ended => "ended",
        };
        format!("{count}\u{a0}{word}")
    }
    fn state(&self, peering: &Peering) -> String {
        let status = peering.status.code();
        match (peering.status, peering.health) {
            (PeeringStatus::Active, Health::NoRoute) => format!("{status}, no route to it"),
            (PeeringStatus::Active, Health::Stopped) => format!("{status}, something is stopped"),
            (PeeringStatus::PendingAcceptance, Health::Unacceptable) => {
                format!("{status}, cannot be accepted")
            }
            _ => status.to_owned(),
        }
    }
    fn between(&self, from: &str, to: &str) -> String {
        format!("{from} to {to}")
    }
    fn sign(&self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => "active, something is stopped",
            Sign::Warning => "cannot be accepted",
            Sign::Waiting => "pending-acceptance",
            Sign::Moving => "provisioning, deleting",
            Sign::Ok => "active",
            Sign::Ended => "ended",
        }
    }
    fn thickness(&self) -> &'static str {
        "Line: 1, up to 4, 5 and more peerings"
    }
    fn find(&self) -> &'static str {
        "Find on the map"
    }
    fn state_label(&self) -> &'static str {
        "State"
    }
    fn all_states(&self) -> &'static str {
        "All states"
    }
    fn state_choice(&self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => "Stopped",
            Sign::Warning | Sign::Waiting => "Pending",
            Sign::Moving => "In motion",
            Sign::Ok => "Active",
            Sign::Ended => "Ended",
        }
    }
    fn show(&self) -> &'static str {
        "Show"
    }
    fn clear(&self) -> &'static str {
        "Clear"
    }
    fn map(&self) -> &'static str {
        "Map"
    }
    fn matrix(&self) -> &'static str {
        "Matrix"
    }
    fn found(&self, count: usize, of: usize) -> String {
        format!("{count} of {of} found")
    }
    fn total(&self, vpcs: usize, groups: usize) -> String {
        format!("{vpcs}\u{a0}VPC{} in {groups}\u{a0}group{}", s(vpcs), s(groups))
    }
    fn chosen(&self, count: usize) -> String {
        format!("{count} selected")
    }
    fn nothing_found(&self, query: &str) -> String {
        match query {
            "" => "Nothing on the map is in this state.".to_owned(),
            query => format!("Nothing on the map matches \u{201c}{query}\u{201d}."),
        }
    }
    fn nothing(&self) -> &'static str {
        "There is no space and no VPC yet."
    }
    fn way(&self, passes: Option<bool>) -> &'static str {
        match passes {
            None => "what is selected",
            Some(true) => "gets through",
            Some(false) => "does not get through",
        }
    }
    fn broken(&self) -> &'static str {
        "Does not work"
    }
    fn waits(&self) -> &'static str {
        "Waits"
    }
    fn from(&self) -> &'static str {
        "From"
    }
    fn protocol(&self) -> &'static str {
        "Protocol"
    }
    fn port(&self) -> &'static str {
        "Port"
    }
    fn only_peered(&self) -> &'static str {
        "Only what is peered"
    }
    fn reversed(&self) -> &'static str {
        "The other way round"
    }
    fn who_reaches_whom(&self, traffic: &str) -> String {
        format!("Who reaches whom on {traffic}")
    }
    fn no_peering(&self) -> &'static str {
        "no peering"
    }
    fn itself(&self) -> &'static str {
        "itself"
    }
    fn passes(&self) -> &'static str {
        "passes"
    }
    fn stopped(&self) -> &'static str {
        "stopped"
    }
    fn part_stopped(&self, count: usize, of: usize) -> String {
        format!("{count} of {of} stopped")
    }
    fn looked_at(&self, count: usize, of: usize) -> String {
        format!("{count} of {of} looked at")
    }
    fn nobody(&self) -> &'static str {
        "nobody there"
    }
    fn pending(&self) -> &'static str {
        "pending"
    }
    fn unacceptable(&self) -> &'static str {
        "cannot be accepted"
    }
    fn own_side(&self) -> &'static str {
        "your side lets it pass"
    }
    fn cell(&self, from: &str, to: &str, state: &str) -> String {
        format!("{from} to {to}: {state}")
    }
    fn ask_why(&self, from: &str, to: &str, state: &str) -> String {
        format!("{from} to {to}: {state}. Ask why")
    }
    fn part(&self, from: usize, to: usize, of: usize) -> String {
        format!("{from} to {to} of {of}")
    }
    fn rows(&self) -> &'static str {
        "Rows"
    }
    fn columns(&self) -> &'static str {
        "Columns"
    }
    fn before(&self) -> &'static str {
        "Previous"
    }
    fn after(&self) -> &'static str {
        "Next"
    }
    fn judged_by_rules(&self, time: &str) -> String {
        format!("As of {time}, from the rules. Probe two ends to see packets.")
    }
}

impl Words for Japanese {
    fn kind(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Space => "Space",
            Kind::Vpc => "VPC",
        }
    }
    fn picture(&self, regions: usize, spaces: usize, vpcs: usize, peerings: usize) -> String {
        format!(
            "マップ: リージョン\u{a0}{regions}、Space\u{a0}{spaces}、VPC\u{a0}{vpcs}、\
             ピアリング\u{a0}{peerings}"
        )
    }
    fn peerings(&self, count: usize) -> String {
        format!("ピアリング {count}\u{a0}件")
    }
    fn vpcs(&self, count: usize) -> String {
        format!("VPC {count}\u{a0}個")
    }
    fn not_peered(&self) -> &'static str {
        "ピアリングなし"
    }
    fn account(&self, id: &str) -> String {
        format!("アカウント {id}")
    }
    fn dynos(&self) -> &'static str {
        "dyno"
    }
    fn data(&self) -> &'static str {
        "データサービス"
    }
    fn further_block(&self) -> &'static str {
        "追加のブロック"
    }
    fn more(&self, count: usize) -> String {
        format!("ほか {count}\u{a0}件")
    }
    fn page(&self) -> &'static str {
        "ページを開く"
    }
    fn so_many(&self, count: usize, sign: Sign) -> String {
        let word = match sign {
            Sign::Bad => "不通",
            Sign::Warning => "受け入れ不可",
            Sign::Waiting => "承認待ち",
            Sign::Moving => "処理中",
            Sign::Ok => "有効",
            Sign::Ended => "終了",
        };
        format!("{word} {count}")
    }
    fn state(&self, peering: &Peering) -> String {
        let status = peering.status.code();
        match (peering.status, peering.health) {
            (PeeringStatus::Active, Health::NoRoute) => format!("{status}、ルートなし"),
            (PeeringStatus::Active, Health::Stopped) => format!("{status}、一部不通"),
            (PeeringStatus::PendingAcceptance, Health::Unacceptable) => {
                format!("{status}、受け入れ不可")
            }
            _ => status.to_owned(),
        }
    }
    fn between(&self, from: &str, to: &str) -> String {
        format!("{from} から {to}")
    }
    fn sign(&self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => "active、一部不通",
            Sign::Warning => "受け入れ不可",
            Sign::Waiting => "pending-acceptance",
            Sign::Moving => "provisioning、deleting",
            Sign::Ok => "active",
            Sign::Ended => "終了",
        }
    }
    fn thickness(&self) -> &'static str {
        "線: ピアリング 1 件、4 件まで、5 件以上"
    }
    fn find(&self) -> &'static str {
        "マップ内を検索"
    }
    fn state_label(&self) -> &'static str {
        "状態"
    }
    fn all_states(&self) -> &'static str {
        "すべての状態"
    }
    fn state_choice(&self, sign: Sign) -> &'static str {
        match sign {
            Sign::Bad => "不通",
            Sign::Warning | Sign::Waiting => "承認待ち",
            Sign::Moving => "処理中",
            Sign::Ok => "有効",
            Sign::Ended => "終了",
        }
    }
    fn show(&self) -> &'static str {
        "表示する"
    }
    fn clear(&self) -> &'static str {
        "クリア"
    }
    fn map(&self) -> &'static str {
        "マップ"
    }
    fn matrix(&self) -> &'static str {
        "マトリックス"
    }
    fn found(&self, count: usize, of: usize) -> String {
        format!("{of}\u{a0}件中 {count}\u{a0}件")
    }
    fn total(&self, vpcs: usize, groups: usize) -> String {
        format!("VPC {vpcs}\u{a0}個、グループ {groups}\u{a0}個")
    }
    fn chosen(&self, count: usize) -> String {
        format!("{count}\u{a0}件を選択中")
    }
    fn nothing_found(&self, query: &str) -> String {
        match query {
            "" => "この状態のものはマップにありません。".to_owned(),
            query => format!("「{query}」に一致するものはマップにありません。"),
        }
    }
    fn nothing(&self) -> &'static str {
        "Space も VPC もまだありません。"
    }
    fn way(&self, passes: Option<bool>) -> &'static str {
        match passes {
            None => "選択中の経路",
            Some(true) => "到達します",
            Some(false) => "到達しません",
        }
    }
    fn broken(&self) -> &'static str {
        "不通"
    }
    fn waits(&self) -> &'static str {
        "承認待ち"
    }
    fn from(&self) -> &'static str {
        "送信元"
    }
    fn protocol(&self) -> &'static str {
        "プロトコル"
    }
    fn port(&self) -> &'static str {
        "ポート"
    }
    fn only_peered(&self) -> &'static str {
        "ピアリング済みのみ"
    }
    fn reversed(&self) -> &'static str {
        "逆方向"
    }
    fn who_reaches_whom(&self, traffic: &str) -> String {
        format!("{traffic} の到達性")
    }
    fn no_peering(&self) -> &'static str {
        "ピアリングなし"
    }
    fn itself(&self) -> &'static str {
        "自身"
    }
    fn passes(&self) -> &'static str {
        "到達"
    }
    fn stopped(&self) -> &'static str {
        "不通"
    }
    fn part_stopped(&self, count: usize, of: usize) -> String {
        format!("{of}\u{a0}件中 {count}\u{a0}件が不通")
    }
    fn looked_at(&self, count: usize, of: usize) -> String {
        format!("{of}\u{a0}件中 {count}\u{a0}件を確認")
    }
    fn nobody(&self) -> &'static str {
        "対象なし"
    }
    fn pending(&self) -> &'static str {
        "承認待ち"
    }
    fn unacceptable(&self) -> &'static str {
        "受け入れ不可"
    }
    fn own_side(&self) -> &'static str {
        "こちら側は通過"
    }
    fn cell(&self, from: &str, to: &str, state: &str) -> String {
        format!("{from} から {to}: {state}")
    }
    fn ask_why(&self, from: &str, to: &str, state: &str) -> String {
        format!("{from} から {to}: {state}。理由を確認")
    }
    fn part(&self, from: usize, to: usize, of: usize) -> String {
        format!("{of}\u{a0}件中 {from}–{to}")
    }
    fn rows(&self) -> &'static str {
        "行"
    }
    fn columns(&self) -> &'static str {
        "列"
    }
    fn before(&self) -> &'static str {
        "前へ"
    }
    fn after(&self) -> &'static str {
        "次へ"
    }
    fn judged_by_rules(&self, time: &str) -> String {
        format!("{time} 時点、ルールからの判定。実際のパケットはプローブで確認できます。")
    }
}
