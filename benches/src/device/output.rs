//! The folder of a run: `README.md` with setup and table, `device.csv` with every row.

use std::{fmt::Write as _, fs, io, path::Path};

use super::{DeviceSetup, Row, Setup, Work};

/// Writes the folder of a run; one that has a README already is left alone.
///
/// # Errors
///
/// That of the file system, or that the folder is a run already.
pub fn write(
    folder: &Path,
    setup: &Setup,
    devices: &[DeviceSetup],
    rows: &[Row],
) -> io::Result<()> {
    let readme = folder.join("README.md");
    if readme.exists() {
        let taken = format!("{} is there already; a run goes into a new folder", readme.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, taken));
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("device.csv"), csv(rows))?;
    fs::write(readme, markdown(setup, devices, rows))
}

fn csv(rows: &[Row]) -> String {
    let mut text =
        "device,shape,work,tokens,flops,first_s,median_s,quickest_s,slowest_s\n".to_owned();
    for row in rows {
        let times = [row.first, row.median, row.quickest, row.slowest];
        let times = times.map(|time| format!("{:.6}", time.as_secs_f64())).join(",");
        let Row { device, shape, work, tokens, flops, .. } = row;
        let _ = writeln!(text, "{device},{shape},{},{tokens},{:.0},{times}", work.name(), flops.0);
    }
    text
}

fn markdown(setup: &Setup, devices: &[DeviceSetup], rows: &[Row]) -> String {
    let mut text = "# Devices\n\n| device | shape | work | tokens/s | GFLOP/s | of the product | median | first run |\n\
                    |---|---|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for row in rows {
        let _ = writeln!(text, "{}", line(row, rows));
    }
    text.push_str(
        "\nTokens are read in a forward pass and a step, made in decoding (its time includes the prompt). \
         Operations count\nmatrix products alone. The first run compiles and tunes kernels; [device.csv](device.csv) has \
         all times.\n\n## Setup\n\n",
    );
    for device in devices {
        let _ = writeln!(text, "* device {}", device.line());
    }
    for (name, fact) in &setup.facts {
        let _ = writeln!(text, "* {name}: {}", fact.replace('\n', "\n  "));
    }
    text
}

fn line(row: &Row, rows: &[Row]) -> String {
    let median = row.median.as_secs_f64();
    let rate = |row: &Row| row.flops.0 / row.median.as_secs_f64() / 1e9;
    let ceiling = rows.iter().find(|other| {
        other.work == Work::Product && (other.device, other.shape) == (row.device, row.shape)
    });
    let (tokens, share) = if row.work == Work::Product {
        ("-".to_owned(), "-".to_owned())
    } else {
        let share = ceiling.map(|ceiling| format!("{:.0} %", 100.0 * rate(row) / rate(ceiling)));
        (format!("{:.0}", row.tokens as f64 / median), share.unwrap_or_else(|| "-".to_owned()))
    };
    let (device, shape, work) = (row.device, row.shape, row.work.name());
    let (first, rate) = (row.first.as_secs_f64(), rate(row));
    format!(
        "| {device} | {shape} | {work} | {tokens} | {rate:.2} | {share} | {:.2} ms | {first:.2} s |",
        1e3 * median
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pycno_study::DeviceName;
    use pycno_units::Flops;

    use super::*;

    fn row(work: Work, flops: f64, millis: u64) -> Row {
        let median = Duration::from_millis(millis);
        Row {
            device: DeviceName::FLEX,
            shape: "tiny",
            work,
            tokens: 10,
            flops: Flops(flops),
            first: Duration::from_secs(2),
            median,
            quickest: median,
            slowest: median,
        }
    }

    #[test]
    fn a_line_gives_rates_and_the_share_of_the_ceiling() {
        let rows = [row(Work::Product, 4e9, 1000), row(Work::Forward, 1e9, 500)];
        let expect = "| flex | tiny | forward | 20 | 2.00 | 50 % | 500.00 ms | 2.00 s |";
        assert_eq!(line(&rows[1], &rows), expect);
        assert!(line(&rows[0], &rows).contains("| - | 4.00 | - |"));
    }

    #[test]
    fn a_run_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let setup = Setup { facts: vec![("burn".to_owned(), "0.0".to_owned())] };
        let rows = [row(Work::Forward, 1e9, 500)];
        write(&out, &setup, &[], &rows).unwrap();
        let csv = fs::read_to_string(out.join("device.csv")).unwrap();
        let expect = "flex,tiny,forward,10,1000000000,2.000000,0.500000,0.500000,0.500000";
        assert_eq!(csv.lines().nth(1), Some(expect));
        assert!(fs::read_to_string(out.join("README.md")).unwrap().contains("* burn: 0.0"));
        assert!(write(&out, &setup, &[], &rows).is_err());
    }
}
