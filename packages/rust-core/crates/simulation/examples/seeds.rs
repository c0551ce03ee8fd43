#![allow(clippy::unwrap_used)]
use tidegate_simulation::{Fault, Simulator, Counts};
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (from, n) = (args[0], args[1]);
    let sim = Simulator::new().unwrap();
    let mut counts = Counts::default();
    let (mut events, mut bad, mut orders, mut fills, mut grants) = (0, 0, 0, 0, 0);
    let mut dec = std::collections::BTreeMap::new(); let begun = std::time::Instant::now();
    for seed in from..from + n {
        let o = sim.run(seed, n == 1);
        events += o.events; orders += o.orders; fills += o.fills; grants += o.grants;
        counts.merge(&o.faults); for (k,v) in &o.decisions { *dec.entry(*k).or_insert(0u64) += v; }
        if !o.sound() { bad += 1; if bad <= 25 { println!("{o}"); } }
        if n == 1 { for l in &o.story { println!("  {l}"); } println!("{:?}", o.decisions); println!("{o} sim {} ms events {} orders {} fills {} grants {}", o.simulated_ns/1_000_000, o.events, o.orders, o.fills, o.grants); }
    }
    let s = begun.elapsed().as_secs_f64();
    println!("{dec:?}"); println!("{n} seeds, {bad} bad, {events} events, {:.0} events/s, orders {orders} fills {fills} grants {grants} in {s:.1}s", events as f64 / s);
    println!("{}", Fault::ALL.map(|f| format!("{}:{}", f.name(), counts.of(f))).join(" "));
}
