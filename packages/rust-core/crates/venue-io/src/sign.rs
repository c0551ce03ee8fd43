//! Signatures of Binance requests: HMAC-SHA256, lower-case hex.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// An API key's secret half. Its text never shows in a log, a message or a debug print; only the state of the hash after it is
/// kept, so that no request pays for it again.
#[derive(Clone)]
pub struct Secret(Option<Hmac<Sha256>>);

impl Secret {
    /// Takes the secret's bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        // HMAC takes a key of any length, so the error arm cannot be reached.
        Self(Hmac::<Sha256>::new_from_slice(&bytes).ok())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// HMAC-SHA256 of `payload`, as 64 lower-case hex digits.
pub fn hmac_hex(secret: &Secret, payload: &[u8]) -> String {
    // An empty signature is one no venue takes.
    let Some(mut mac) = secret.0.clone() else {
        return String::new();
    };
    mac.update(payload);
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// Signature of a WS API request: all parameters but `signature`, sorted by name, `k=v` joined with `&`.
pub fn sign_ws_api(secret: &Secret, params: &[(&str, &str)]) -> String {
    let mut sorted: Vec<_> = params.iter().filter(|(name, _)| *name != "signature").collect();
    sorted.sort_unstable();
    hmac_hex(secret, join(&sorted, false).as_bytes())
}

/// The query of a REST request in sent order, non-ASCII percent-encoded, with its signature appended.
pub fn sign_rest_query(secret: &Secret, params: &[(&str, &str)]) -> String {
    let query = join(&params.iter().collect::<Vec<_>>(), true);
    let signature = hmac_hex(secret, query.as_bytes());
    if query.is_empty() { format!("signature={signature}") } else { format!("{query}&signature={signature}") }
}

fn join(params: &[&(&str, &str)], encode: bool) -> String {
    let bytes = params.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut out = String::with_capacity(bytes);
    for (name, value) in params {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        if encode {
            percent_encode(value, &mut out);
        } else {
            out.push_str(value);
        }
    }
    out
}

fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example key of the venue's public documentation ("Request security"); it opens nothing.
    const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const SECRET: &[u8] = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

    #[test]
    fn ws_api_example_of_the_venues_documentation() {
        let params = [
            ("symbol", "BTCUSDT"),
            ("side", "SELL"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.01000000"),
            ("price", "52000.00"),
            ("newOrderRespType", "ACK"),
            ("recvWindow", "100"),
            ("timestamp", "1645423376532"),
            ("apiKey", KEY),
            ("signature", "left out of its own payload"),
        ];
        let want = "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a";
        assert_eq!(sign_ws_api(&Secret::new(SECRET.to_vec()), &params), want);
    }

    #[test]
    fn rest_examples_of_the_venues_documentation() {
        let rest = |symbol| {
            let params = [
                ("symbol", symbol),
                ("side", "BUY"),
                ("type", "LIMIT"),
                ("timeInForce", "GTC"),
                ("quantity", "1"),
                ("price", "0.1"),
                ("recvWindow", "5000"),
                ("timestamp", "1499827319559"),
            ];
            sign_rest_query(&Secret::new(SECRET.to_vec()), &params)
        };
        let tail = "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
        assert_eq!(
            rest("LTCBTC"),
            format!(
                "symbol=LTCBTC{tail}&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
            )
        );
        assert_eq!(
            rest("１２３４５６"),
            format!(
                "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96{tail}\
                 &signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"
            )
        );
    }

    #[test]
    fn rfc_4231_case_2() {
        let mac = hmac_hex(&Secret::new(b"Jefe".to_vec()), b"what do ya want for nothing?");
        assert_eq!(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_secret_does_not_print() {
        assert!(!format!("{:?}", Secret::new(b"hunter2".to_vec())).contains("hunter2"));
    }
}
