//! The two views a strategy worker shares with the native lane. The same table stands in `strategy-layout.ts`; a test
//! holds both equal.

macro_rules! layout {
    ($($name:ident = $value:expr;)*) => {
        $(pub const $name: usize = $value;)*
        /// Every constant by name, for the test that compares both tables.
        pub const ALL: &[(&str, usize)] = &[$((stringify!($name), $value)),*];
    };
}

layout! {
    EVENT_DOUBLES = 64;
    EVENTS_MAX = 64;
    INTENT_DOUBLES = 32;
    FEATURES_MAX = 48;

    EVENT_KIND_BOOK_TOP = 1;
    EVENT_KIND_TRADE = 2;
    EVENT_KIND_STATUS = 3;
    EVENT_KIND_INTENT_REPLY = 4;
    EVENT_KIND_ORDER_UPDATE = 5;
    EVENT_KIND_FILL = 6;
    EVENT_KIND_POLICY = 7;
    EVENT_KIND_POSITION = 8;
    EVENT_KIND_GAP = 9;
    EVENT_KIND_LINK = 10;
    EVENT_KIND_STREAM_RESTART = 11;

    EVENT_KIND = 0;
    EVENT_INSTRUMENT = 1;
    EVENT_NOW_NS = 2;
    EVENT_SEQ = 3;

    BOOK_TOP_BID_PX = 4;
    BOOK_TOP_BID_QTY = 5;
    BOOK_TOP_ASK_PX = 6;
    BOOK_TOP_ASK_QTY = 7;
    BOOK_TOP_STATE = 8;
    BOOK_TOP_FEATURE_FLAGS = 9;
    BOOK_TOP_FEATURE_COUNT = 10;
    BOOK_TOP_FEATURE_SET_HASH = 11;
    BOOK_TOP_FEATURES = 16;

    TRADE_PX = 4;
    TRADE_QTY = 5;
    TRADE_AGGRESSOR = 6;
    TRADE_TRADE_ID = 7;
    TRADE_LATE = 8;

    STATUS_STATE = 4;

    INTENT_REPLY_SEQ = 4;
    INTENT_REPLY_EPOCH = 5;
    INTENT_REPLY_DECISION = 6;
    INTENT_REPLY_REASON = 7;
    INTENT_REPLY_REPEATED = 8;

    ORDER_UPDATE_SEQ = 4;
    ORDER_UPDATE_EPOCH = 5;
    ORDER_UPDATE_STATE = 6;
    ORDER_UPDATE_SIDE = 7;
    ORDER_UPDATE_PX = 8;
    ORDER_UPDATE_QTY = 9;
    ORDER_UPDATE_CUM_QTY = 10;
    ORDER_UPDATE_LEAVES_QTY = 11;
    ORDER_UPDATE_REASON = 12;
    ORDER_UPDATE_SNAPSHOT = 13;

    FILL_SEQ = 4;
    FILL_EPOCH = 5;
    FILL_SIDE = 6;
    FILL_PX = 7;
    FILL_QTY = 8;
    FILL_MAKER = 9;
    FILL_POSITION_LOTS = 10;
    FILL_FEE_E8 = 11;

    POLICY_POLICY = 4;
    POLICY_CAUSE = 5;

    POSITION_POSITION_LOTS = 4;
    POSITION_SNAPSHOT = 5;

    GAP_FIRST = 4;
    GAP_LAST = 5;
    GAP_TOPIC_KIND = 6;

    LINK_STATE = 4;

    INTENT_KIND_NEW = 1;
    INTENT_KIND_CANCEL = 2;

    INTENT_KIND = 0;
    INTENT_INSTRUMENT = 1;
    INTENT_ACCOUNT = 2;
    INTENT_SIDE = 3;
    INTENT_ORDER_TYPE = 4;
    INTENT_TIF = 5;
    INTENT_PX = 6;
    INTENT_QTY = 7;
    INTENT_SEQ = 8;
    INTENT_TARGET_SEQ = 9;
    INTENT_TARGET_EPOCH = 10;
    INTENT_TTL_NS = 11;
    INTENT_EVENT_INDEX = 12;

    SUBMIT_OK = 0;
    SUBMIT_NO_CREDIT = 1;
    SUBMIT_NOT_SYNCED = 2;
    SUBMIT_MALFORMED = 3;
}

const _: () = assert!(BOOK_TOP_FEATURES + FEATURES_MAX <= EVENT_DOUBLES);
const _: () = assert!(INTENT_EVENT_INDEX < INTENT_DOUBLES);

#[cfg(test)]
mod tests {
    use super::ALL;

    /// Reads `NAME: value` and `const NAME = value` out of the TypeScript table, prefixed by the object they stand in.
    fn typescript() -> Vec<(String, usize)> {
        let text = include_str!("../../../../strategy-layout.ts");
        let mut found = Vec::new();
        let mut prefix = String::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("export const ") {
                let (name, value) = rest.split_once(" = ").unwrap();
                if let Ok(number) = value.trim_end_matches(';').parse() {
                    found.push((name.to_string(), number));
                    continue;
                }
                prefix = object_prefix(name);
            }
            let body = line.split_once('{').map_or(line, |(_, body)| body);
            for part in body.trim_end_matches("} as const;").split(',') {
                if let Some((name, value)) = part.trim().split_once(": ")
                    && let Ok(number) = value.trim().parse()
                {
                    found.push((format!("{prefix}{}", name.trim()), number));
                }
            }
        }
        found
    }

    fn object_prefix(name: &str) -> String {
        let base = name.strip_suffix("At").unwrap_or(name);
        let mut snake = String::new();
        for (index, letter) in base.chars().enumerate() {
            if letter.is_uppercase() && index > 0 {
                snake.push('_');
            }
            snake.push(letter.to_ascii_uppercase());
        }
        snake + "_"
    }

    #[test]
    fn both_tables_are_equal() {
        let typescript = typescript();
        let rust: Vec<(String, usize)> =
            ALL.iter().map(|(name, value)| ((*name).to_string(), *value)).collect();
        for pair in &rust {
            assert!(typescript.contains(pair), "{pair:?} is not in strategy-layout.ts");
        }
        for pair in &typescript {
            assert!(rust.contains(pair), "{pair:?} is not in layout.rs");
        }
    }
}
