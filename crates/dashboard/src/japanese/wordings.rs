//! What the rules say of a packet's way, in Japanese.

use model::Wording;

/// The sentence in Japanese, with the same places.
pub(crate) const fn wording(wording: Wording) -> &'static str {
    use Wording as W;
    match wording {
        W::OwnAddress => "{address} は自身のアドレスです",
        W::Unused => "{eni} が {address} を持っていますが、使用されていません",
        W::NobodyHas => "{vpc} に {address} を持つインターフェイスはありません",
        W::NotItsAddress => "{address} は {eni} のアドレスではありません",
        W::HasAddress => "{address} を持っています",
        W::GetsByRoute => "ルートにより {address} 宛てを受け取ります",
        W::MustPassOn => {
            "ルートによりパケットを受け取り、{vpc} の {address} へ転送する必要があります。転送されるかどうかは、そこで動くもの次第です"
        }
        W::PassesOn => "アドレスの確認が無効なので、{address} 宛てを転送します",
        W::OwnSource => "自身が {address} から送ったものがルートにより戻され、破棄されます",
        W::Circle => "{eni} はすでにこのパケットを転送しています。ルートが循環しています",
        W::NoVpc => "{vpc} は存在しません",
        W::NoSubnet => "サブネット {subnet} は存在しません",
        W::LocalRoute => "{address} は {vpc} の内側です (local ルート)",
        W::LeadsTo => "{block} へのルートのターゲットは {target} です",
        W::Overlap => {
            "{address} は {vpc} 自身のブロックに含まれるため、local ルートが優先され、{goal} には届きません。同じアドレスの VPC 同士は通信できません"
        }
        W::TakesOnlyItsOwn => {
            "ルートは {eni} に向かいますが、{eni} は自身のアドレス宛てしか受け取りません"
        }
        W::Blackhole => "{block} は blackhole です: {why}",
        W::PeeringIs => "{pcx} は {status} です",
        W::JoinsOthers => "{pcx} は別の VPC 同士をつなぐものです",
        W::NoPeering => "{pcx} は存在しません",
        W::InterfaceGone => "{eni} は存在しないか、使用されていません",
        W::OnlyToGateway => "向かう先は {igw} だけです",
        W::NothingCarries => "{igw} へパケットを運ぶものがありません",
        W::NotAttached => "{igw} は {vpc} に接続されていません",
        W::NoGateway => "{vpc} に接続されたインターネットゲートウェイがありません",
        W::NothingOutside => "このインストールの外へ出る経路はありません",
        W::NatIs => "{nat} は {status} です",
        W::SendsOnAs => {
            "{eni} はプライベート NAT ゲートウェイのもので、{address} として送り出します"
        }
        W::GivesBackTo => {
            "{eni} はプライベート NAT ゲートウェイのもので、応答を {address} に返します"
        }
        W::TakesAnswersOnly => {
            "{eni} はプライベート NAT ゲートウェイのもので、自分が送ったものへの応答だけを受け取ります"
        }
        W::AnswersAs => {
            "{eni} はプライベート NAT ゲートウェイのもので、パケットはここを通っていません。応答は {address} として送り出され、そこからの応答を待つものはありません"
        }
        W::ComesBackTo => "NAT ゲートウェイ自身のサブネットのルートテーブルは {eni} に戻ります",
        W::NatLeadsNowhere => {
            "{nat} のあるサブネット {subnet} のルートテーブルには、{address} をインターネットゲートウェイへ導くルートがありません"
        }
        W::NoPublicAddress => "{address} にはパブリックアドレスがありません",
        W::GoesOutBy => "{address} は {public} として外へ出ます",
        W::ComesInBy => "{public} は {address} を指します",
        W::Denied => "{address} は {block} に含まれ、ここからはどこへも届きません",
        W::NobodyOutside => "外部に {address} を持つものはありません",
        W::LeavesElsewhere => "応答は {exit} から出ますが、パケットはそこから来ていません",
        W::NotTranslated => {
            "{eni} が転送したものです。{exit} が受け取るのは送信元自身から来たものだけです"
        }
        W::NameOrAsk => {
            "{vpc} とピアリングした VPC に {address} を持つものはありません。目的の VPC を vpc-…/{address} と指定するか、外部のアドレスなら --outbound を付けてサーバーを起動するよう運用者に依頼してください"
        }
        W::AskForOutbound => "--outbound を付けてサーバーを起動するよう運用者に依頼してください",
        W::AskToAllow => "`[outbound]` で許可するよう運用者に依頼してください",
        W::AttachGateway => "{vpc} にインターネットゲートウェイを接続してください",
        W::AllocateFirst => {
            "`{command}` で Elastic IP アドレスを割り当ててから、もう一度確認してください"
        }
        W::LeadsNowhere => "どこにも届きません",
        W::NoRoute => "{address} へのルートがありません",
        W::OnlyPrimary => {
            "{address} へのルートがありません。Space から届くのは {vpc} のプライマリブロックだけです"
        }
        W::NoWayBack => "応答の戻る経路がありません: {why}",
        W::AndAlso => "{one}。{other}",
        W::Unjoined => "{one} と {other} をつなぐピアリングはありません",
        W::TheNewPeering => "新しいピアリング",
        W::PeeringGone => "すでにありません",
        W::NotCarried => "通信を運んでいません",
        W::Carried => "通信を運び、{vpc} がパケットを受け取ります",
        W::AddressHere => "{address} はここでは {here} のアドレスで、{goal} のものではありません",
        W::SourceInside => "{address} は {vpc} 自身のアドレスです",
        W::SourceBehind => "{address} は {pcx} の先の VPC のアドレスです",
        W::ToSecondary => {
            "{address} は {vpc} のセカンダリブロック {block} に含まれます。Space から届くのはプライマリブロック {primary} だけです"
        }
        W::NotBehind => "{address} は {vpc} のアドレスではなく、ピアリングはその先へは中継しません",
        W::FromSecondary => {
            "{address} は {vpc} のセカンダリブロック {block} に含まれます。Space が通信するのはプライマリブロック {primary} だけです"
        }
        W::TakesFrom => {
            "{vpc} が受け取るのは {blocks} からのパケットだけで、{address} からは受け取りません"
        }
        W::TakesFromNobody => {
            "{vpc} はどこからもパケットを受け取らず、{address} からも受け取りません"
        }
        W::RuleAllows => "{group} の {rule} が {traffic}を許可します",
        W::StaleRule => "{rule} が参照する {group} のメンバーは {vpc} から見えません",
        W::NoInboundRules => "インバウンドルールがありません",
        W::NoOutboundRules => "アウトバウンドルールがありません",
        W::NoInboundRule => "{packet}を許可するインバウンドルールがありません",
        W::NoOutboundRule => "{packet}を許可するアウトバウンドルールがありません",
        W::Namesake => {
            "{why}。{rule} が参照する {group} でこのアドレスを持つメンバーは {there} の先にあります"
        }
        W::NamesakeComes => {
            "{why}。{rule} が参照する {group} でこのアドレスを持つメンバーは {there} の先にありますが、パケットは {here} から届きます"
        }
        W::NamesakeLeaves => {
            "{why}。{rule} が参照する {group} でこのアドレスを持つメンバーは {there} の先にありますが、パケットは {here} へ出ます"
        }
        W::TrafficFrom => "{other} からの {traffic} ",
        W::TrafficTo => "{other} への {traffic} ",
        W::AllTraffic => "すべてのトラフィック",
        W::MembersOf => "{group} のメンバー",
        W::EverythingPasses => "すべて通過します",
        W::InboundAllows => "インバウンドエントリ {number} が {traffic}を許可します",
        W::InboundDenies => "インバウンドエントリ {number} が {traffic}を拒否します",
        W::OutboundAllows => "アウトバウンドエントリ {number} が {traffic}を許可します",
        W::OutboundDenies => "アウトバウンドエントリ {number} が {traffic}を拒否します",
        W::NoInboundEntry => "{packet}に当てはまるインバウンドエントリがありません",
        W::NoOutboundEntry => "{packet}に当てはまるアウトバウンドエントリがありません",
        W::AnswerStopped => "応答が止まります。ACL は通信の状態を記憶しません: {why}",
        W::AnswersStopped => {
            "送信元ポート {ports} への応答が止まります。ACL は通信の状態を記憶しません: {why}"
        }
        W::OwnerLetsPass => "所有者の設定により通過します",
        W::OwnerStopsSome => "所有者の設定により、一部の送信元ポートからは止まります",
        W::OwnerStops => "所有者の設定により止まります",
        W::Code => "{code}",
        W::Of => "{whole} の {part}",
        W::AskOwner => "{vpc} の所有者に依頼してください",
        W::UseAnAddress => {
            "使用されているアドレスに送ってください。`{command}` で一覧を確認できます"
        }
        W::MoveToPrimary => {
            "宛先またはそのプロキシを {vpc} のプライマリブロック {block} のサブネットに置いてください"
        }
        W::NameTheVpc => {
            "{vpc} とピアリングしている VPC に {address} はありません。宛先を vpc-…/{address} の形で指定してください"
        }
        W::ThroughADyno => {
            "データサービスに届くのは同じ Space からだけです。dyno を経由してください"
        }
        W::CannotBeJoined => {
            "{one} と {other} はつなげません。両方とピアリングしている VPC のプロキシを経由してください"
        }
        W::RoutesFull => {
            "{table} のルート数は上限に達しています。1 つ削除してからもう一度確認してください"
        }
        W::InboundRulesFull => {
            "グループのインバウンドルール数は上限に達しています。1 つ削除してからもう一度確認してください"
        }
        W::OutboundRulesFull => {
            "グループのアウトバウンドルール数は上限に達しています。1 つ削除してからもう一度確認してください"
        }
        W::InboundEntriesFull => {
            "{acl} のインバウンドエントリ数は上限に達しています。1 つ削除してからもう一度確認してください"
        }
        W::OutboundEntriesFull => {
            "{acl} のアウトバウンドエントリ数は上限に達しています。1 つ削除してからもう一度確認してください"
        }
        W::AfterThat => "その後、{act}",
        W::AndThen => "{one}、続いて{other}",
        W::RouteToNew => "{table} に {block} から新しいピアリングへのルートを追加",
        W::AcceptNew => "新しいピアリングを受け入れる",
        W::TearNewDown => "新しいピアリングを破棄する",
        W::LetHave => "Space のピアリング上限を {number} 件にする",
    }
}
