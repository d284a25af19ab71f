//! The Japanese texts of the search.

use crate::texts::SearchTexts;

/// The Japanese texts of the search.
pub(crate) const TEXTS: SearchTexts = SearchTexts {
    find: "名前、ID、ブロック、アドレスで検索",
    find_button: "検索",
    title: "検索",
    hint: "名前、ID、CIDR ブロック、アドレスの一部を入力します。表示できる Space、アプリ、ピアリング、VPC、インスタンスが見つかります。",
    found_one: "{n} 件",
    found_other: "{n} 件",
    found_none: "名前、ID、ブロック、アドレスに「{query}」を含むものはありません。",
    found_none_more: "表示する権限のないものは見つかりません。",
    found_more: "最初の {n} 件です。続きを入力すると絞り込めます。",
    shortcut_on: "入力中でなければ、どのページでも / キーで検索欄に移動します。",
    shortcut_off: "/ キーのショートカットは無効です。",
    turn_off: "無効にする",
    turn_on: "有効にする",
    column_kind: "種類",
    column_where: "場所",
    kind_space: "Space",
    kind_app: "アプリ",
    kind_peering: "ピアリング",
    kind_vpc: "VPC",
    kind_instance: "インスタンス",
    more_wait: "ほかに {n} 件あります。",
    more_rows: "ほかに {n} 件あります。",
};
