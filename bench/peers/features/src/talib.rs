//! TA-Lib's C library, from the wheel that carries it.

use libloading::{Library, Symbol};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel whose library is loaded.
pub const VERSION: &str = "ta-lib 0.8.2 (PyPI)";
const WHEEL: &str = "ta-lib==0.8.2";

type One = unsafe extern "C" fn(i32, i32, *const f64, i32, *mut i32, *mut i32, *mut f64) -> i32;
type Bands = unsafe extern "C" fn(
    i32,
    i32,
    *const f64,
    i32,
    f64,
    f64,
    i32,
    *mut i32,
    *mut i32,
    *mut f64,
    *mut f64,
    *mut f64,
) -> i32;
type Macd = unsafe extern "C" fn(
    i32,
    i32,
    *const f64,
    i32,
    i32,
    i32,
    *mut i32,
    *mut i32,
    *mut f64,
    *mut f64,
    *mut f64,
) -> i32;

pub struct TaLib {
    ema: One,
    sma: One,
    rsi: One,
    bands: Bands,
    macd: Macd,
    /// Kept loaded as long as its functions are called.
    _library: Library,
}

/// One output array and the index of the input that its first value belongs to.
#[derive(Clone)]
pub struct Output {
    pub first: usize,
    pub count: usize,
    pub values: Vec<f64>,
}

/// EMA20, SMA20, RSI14, upper and lower band 20/2, MACD 12/26 and its signal 9.
pub struct Outputs(pub [Output; 7]);

impl Outputs {
    pub fn new(len: usize) -> Self {
        Self(std::array::from_fn(|_| Output { first: 0, count: 0, values: vec![0.0; len] }))
    }
}

const REMEDY: &str =
    "want python3 with pip and the package index reachable, or TIDEGATE_TALIB set to a libta-lib.so";

fn remedy(what: &str) -> String {
    format!("bench features: TA-Lib cannot be had ({what}); {REMEDY}")
}

fn command(folder: &Path, args: &[&str]) -> Result<(), String> {
    let ran = Command::new("python3")
        .args(args)
        .current_dir(folder)
        .output()
        .map_err(|fault| remedy(&fault.to_string()))?;
    if ran.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    Err(remedy(text.lines().last().unwrap_or("python3 failed")))
}

/// A file of a folder by the start and end of its name.
fn file(folder: &Path, start: &str, end: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(start) && name.contains(end))
    })
}

impl TaLib {
    /// The library of `TIDEGATE_TALIB`, else of the wheel, downloaded once into `target/peers/talib`.
    pub fn find() -> Result<Self, String> {
        if let Some(path) = std::env::var_os("TIDEGATE_TALIB") {
            return Self::load(Path::new(&path));
        }
        let folder = PathBuf::from("target/peers/talib");
        std::fs::create_dir_all(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
        let libraries = folder.join("ta_lib.libs");
        if file(&libraries, "libta-lib", ".so").is_none() {
            command(
                &folder,
                &["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", WHEEL],
            )?;
            let wheel = file(&folder, "ta_lib-", ".whl").ok_or_else(|| remedy("pip gave no wheel"))?;
            let name = wheel.file_name().and_then(|name| name.to_str()).unwrap_or("").to_string();
            command(&folder, &["-m", "zipfile", "-e", &name, "."])?;
        }
        let path =
            file(&libraries, "libta-lib", ".so").ok_or_else(|| remedy("the wheel has no libta-lib"))?;
        Self::load(&path)
    }

    fn load(path: &Path) -> Result<Self, String> {
        // A bare name would be looked up in the system's folders.
        let path = path.canonicalize().map_err(|fault| remedy(&format!("{}: {fault}", path.display())))?;
        // SAFETY: TA-Lib's initialisers do nothing but set up its own tables; the types are those of ta_func.h 0.6.
        unsafe {
            let library = Library::new(&path).map_err(|fault| remedy(&fault.to_string()))?;
            let init: Symbol<unsafe extern "C" fn() -> i32> =
                library.get(b"TA_Initialize\0").map_err(|fault| remedy(&fault.to_string()))?;
            if init() != 0 {
                return Err(remedy("TA_Initialize failed"));
            }
            let one = |name: &[u8]| -> Result<One, String> {
                library.get::<One>(name).map(|symbol| *symbol).map_err(|fault| remedy(&fault.to_string()))
            };
            let (ema, sma, rsi) = (one(b"TA_EMA\0")?, one(b"TA_SMA\0")?, one(b"TA_RSI\0")?);
            let bands = *library.get::<Bands>(b"TA_BBANDS\0").map_err(|fault| remedy(&fault.to_string()))?;
            let macd = *library.get::<Macd>(b"TA_MACD\0").map_err(|fault| remedy(&fault.to_string()))?;
            Ok(Self { ema, sma, rsi, bands, macd, _library: library })
        }
    }

    /// All five over a whole array.
    pub fn compute(&self, prices: &[f64], outputs: &mut Outputs) -> Result<(), String> {
        let end = prices.len() as i32 - 1;
        let (mut first, mut count) = (0, 0);
        let done = |code: i32| if code == 0 { Ok(()) } else { Err(format!("TA-Lib returned {code}")) };
        let mut middle = std::mem::take(&mut outputs.0[6].values);
        let [ema, sma, rsi, upper, lower, macd, signal] = &mut outputs.0;
        signal.values = vec![];
        for (function, period, output) in [(self.ema, 20, ema), (self.sma, 20, sma), (self.rsi, 14, rsi)] {
            // SAFETY: input and output are as long as the range; TA-Lib writes at most that many.
            done(unsafe {
                function(0, end, prices.as_ptr(), period, &mut first, &mut count, output.values.as_mut_ptr())
            })?;
            (output.first, output.count) = (first as usize, count as usize);
        }
        // SAFETY: as above; moving average type 0 is the simple one.
        done(unsafe {
            (self.bands)(
                0,
                end,
                prices.as_ptr(),
                20,
                2.0,
                2.0,
                0,
                &mut first,
                &mut count,
                upper.values.as_mut_ptr(),
                middle.as_mut_ptr(),
                lower.values.as_mut_ptr(),
            )
        })?;
        (upper.first, upper.count) = (first as usize, count as usize);
        (lower.first, lower.count) = (upper.first, upper.count);
        thread_local! { static HISTOGRAM: std::cell::RefCell<Vec<f64>> = const { std::cell::RefCell::new(vec![]) }; }
        HISTOGRAM.with_borrow_mut(|histogram| {
            histogram.resize(prices.len(), 0.0);
            // SAFETY: as above.
            done(unsafe {
                (self.macd)(
                    0,
                    end,
                    prices.as_ptr(),
                    12,
                    26,
                    9,
                    &mut first,
                    &mut count,
                    macd.values.as_mut_ptr(),
                    middle.as_mut_ptr(),
                    histogram.as_mut_ptr(),
                )
            })
        })?;
        (macd.first, macd.count) = (first as usize, count as usize);
        (signal.first, signal.count) = (macd.first, macd.count);
        signal.values = middle;
        Ok(())
    }
}
