use model::record::Observed;
use model::*;
use std::sync::Arc;
use std::time::Instant;
use store::*;
fn location(n: u32, wearers: u32, t: i64) -> Record {
    let wearer = n % wearers;
    let located =
        Located { position: Position { lat: 31.82 + f64::from(n % 10000) * 1e-6, lon: 117.2272 }, accuracy_m: 8.0 };
    let report = Report {
        event_id: Some(format!("7-{n}").as_str().into()),
        measured: Some(Timestamp::from_millis(t)),
        body: ReportBody::Location(Fix { position: located.position, datum: None, accuracy_m: Some(8.0) }),
        content_hash: u64::from(n) * 77777777777,
    };
    Record {
        at: Timestamp::from_millis(t + 100),
        input: Input::Report { device: DeviceId::new(&format!("load{wearer:06}")), report },
        decisions: vec![Decision::Observed(Observed {
            wearer: Some(WearerId::new(&format!("w{wearer}"))),
            measured: Timestamp::from_millis(t),
            late: false,
            located: Some(located),
        })],
    }
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let wearers: u32 = std::env::args().nth(1).map_or(64, |s| s.parse().unwrap());
    let total: u32 = std::env::args().nth(2).map_or(6_000_000, |s| s.parse().unwrap());
    let per_batch: usize = std::env::args().nth(3).map_or(2000, |s| s.parse().unwrap());
    let dir = std::path::PathBuf::from("/tmp/t/bench-store");
    let _ = std::fs::remove_dir_all(&dir);
    let data = DataDir::new(&dir);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let t0 = 1_795_305_600_000i64;
    let samples: Vec<Record> = (0..100_000).map(|n| location(n, wearers, t0 + i64::from(n / wearers) * 10)).collect();
    // encode only
    let began = cpu();
    let mut b = Batch::new();
    let mut bytes = 0;
    let mut n = 0u64;
    for _ in 0..20 {
        for r in &samples {
            if b.push(r).is_err() {
                bytes += b.bytes();
                b.clear();
                b.push(r).unwrap();
            }
            n += 1;
        }
    }
    bytes += b.bytes();
    println!("encode: {:.0} ns a record, {:.1} bytes", (cpu() - began) * 1e9 / n as f64, bytes as f64 / n as f64);
    let (opened, recovery) = Journal::open(Arc::clone(&disk), &data.journal(), JournalConfig::default()).unwrap();
    let (state, _) = open_state(&disk, &data, recovery.first_seq, recovery.last_seq, &StateConfig::default()).unwrap();
    let journal: Journal<()> = opened.start(|_| {}, |e| panic!("{e}")).unwrap();
    let follower = Follower::start(
        Arc::clone(&disk),
        &data.journal(),
        Arc::clone(&state),
        journal.progress(),
        FollowerConfig::default(),
        |e| panic!("{e}"),
    )
    .unwrap();
    let (began, c0) = (Instant::now(), cpu());
    let mut batch = journal.batch();
    let mut worst = 0;
    let mut record = samples[0].clone();
    for i in 0..total {
        let s = &samples[(i % 100_000) as usize];
        record.clone_from(s);
        let t = t0 + i64::from(i / wearers) * 10;
        record.at = Timestamp::from_millis(t + 100);
        if let Input::Report { report, .. } = &mut record.input {
            report.measured = Some(Timestamp::from_millis(t));
        }
        if let Decision::Observed(o) = &mut record.decisions[0] {
            o.measured = Timestamp::from_millis(t);
        }
        batch.push(&record).unwrap();
        if batch.len() >= per_batch {
            journal.submit(std::mem::replace(&mut batch, journal.batch()), ()).unwrap();
            worst = worst.max(follower.telemetry_lag());
        }
    }
    journal.submit(batch, ()).unwrap();
    while journal.durable_seq() < u64::from(total) {
        std::thread::yield_now();
    }
    let (wall, c1) = (began.elapsed(), cpu());
    println!(
        "append: {:.2} M/s, cpu {:.0} ns a record, worst lag {worst}, lag now {}, {:?}",
        f64::from(total) / wall.as_secs_f64() / 1e6,
        (c1 - c0) * 1e9 / f64::from(total),
        follower.telemetry_lag(),
        journal.stats()
    );
    while follower.telemetry_lag() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    println!(
        "projected: {:.2} M/s, cpu {:.0} ns a record in all",
        f64::from(total) / began.elapsed().as_secs_f64() / 1e6,
        (cpu() - c0) * 1e9 / f64::from(total)
    );
    let f0 = Instant::now();
    follower.flush();
    println!("flush {:?}", f0.elapsed());
    let r0 = Instant::now();
    follower.close();
    println!("close {:?}", r0.elapsed());
    println!(
        "fixes {}",
        state.fixes(&WearerId::new("w1"), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap().len()
    );
    journal.close();
    let r0 = Instant::now();
    let k = read_from(Arc::clone(&disk), &data.journal(), 1).unwrap().filter(|r| r.is_ok()).count();
    println!("read_from: {k} records, {:.0} ns a record", r0.elapsed().as_nanos() as f64 / k as f64);
    // reprojection alone
    drop(state);
    std::fs::remove_dir_all(data.state()).unwrap();
    let (state, _) = State::open(&data.state(), &StateConfig::default()).unwrap();
    let p = Arc::new(Progress::new(u64::from(total)));
    let (r0, c0) = (Instant::now(), cpu());
    let follower =
        Follower::start(Arc::clone(&disk), &data.journal(), Arc::clone(&state), p, FollowerConfig::default(), |e| {
            panic!("{e}")
        })
        .unwrap();
    while follower.telemetry_lag() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    println!(
        "follower alone: {:.0} ns a record, cpu {:.0}",
        r0.elapsed().as_nanos() as f64 / f64::from(total),
        (cpu() - c0) * 1e9 / f64::from(total)
    );
    follower.close();
    println!(
        "rss {}",
        std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap()
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
