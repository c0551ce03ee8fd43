//! Flags of one proof: `--name value` pairs, each read once and none left over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

/// The flags as given. A flag that nobody has read is an error at the end.
#[derive(Debug, Default)]
pub struct Args {
    given: RefCell<BTreeMap<String, String>>,
}

impl Args {
    /// Reads `--name value …`.
    ///
    /// # Errors
    /// A word that is no flag, a flag without a value, a flag given twice.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let name =
                word.strip_prefix("--").ok_or_else(|| format!("{word}: want a flag such as --data"))?;
            let value = words.next().ok_or_else(|| format!("--{name}: want a value"))?;
            if given.insert(name.to_string(), value.clone()).is_some() {
                return Err(format!("--{name}: given twice"));
            }
        }
        Ok(Self { given: RefCell::new(given) })
    }

    /// A flag's text, if it was given.
    pub fn text(&self, name: &str) -> Option<String> {
        self.given.borrow_mut().remove(name)
    }

    /// A flag's value, or `default` where it was not given.
    ///
    /// # Errors
    /// A text that is no such value.
    pub fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name} {text}: cannot be read")),
        }
    }

    /// The folder of the reference data.
    ///
    /// # Errors
    /// It was not given or is not there.
    pub fn data(&self) -> Result<PathBuf, String> {
        let text = self.text("data").ok_or("--data: want the folder of the reference data")?;
        let path = PathBuf::from(&text);
        if path.is_dir() { Ok(path) } else { Err(format!("--data {text}: no such folder")) }
    }

    /// Nothing may be left over.
    ///
    /// # Errors
    /// A flag that nobody asked for.
    pub fn done(&self) -> Result<(), String> {
        self.given.borrow().keys().next().map_or(Ok(()), |name| Err(format!("--{name}: no such flag here")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Result<Args, String> {
        Args::parse(&text.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_once_and_none_is_left_over() {
        let read = args("--seeds 5 --rate 0.1").unwrap_or_default();
        assert_eq!((read.get("seeds", 1_u32), read.get("rate", 0.0_f64)), (Ok(5), Ok(0.1)));
        assert_eq!((read.get("absent", 9_u8), read.done()), (Ok(9), Ok(())));
        let other = args("--seeds x --typo 1").unwrap_or_default();
        assert!(other.get("seeds", 1_u32).is_err());
        assert_eq!(other.done(), Err("--typo: no such flag here".into()));
        for bad in ["seeds", "--seeds", "--seeds 1 --seeds 2"] {
            assert!(args(bad).is_err(), "{bad}");
        }
        assert!(args("--data /nonexistent").unwrap_or_default().data().is_err());
    }
}
