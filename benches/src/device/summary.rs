//! The summary of a run: `device.md` with table and setup, `device.csv` with every row.

use std::{fmt::Write as _, fs, io, path::Path};

use pycno_units::Flops;

use super::{DeviceSetup, Estimate, Setup, Work};

/// What a run measured, and with what.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Machine and build.
    pub setup: Setup,
    /// The devices measured.
    pub devices: Vec<DeviceSetup>,
    /// One line per device and work.
    pub rows: Vec<Row>,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// On what, as `--device` names it.
    pub device: String,
    /// Of what model.
    pub shape: &'static str,
    /// What.
    pub work: Work,
    /// Tokens per repetition; 0 for a product.
    pub tokens: usize,
    /// Floating-point operations per repetition.
    pub flops: Flops,
    /// Time per repetition.
    pub time: Estimate,
}

impl Summary {
    /// Writes both files into a folder, in place of those of an earlier run.
    ///
    /// # Errors
    ///
    /// That of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("device.csv"), csv(&self.rows))?;
        fs::write(folder.join("device.md"), self.markdown())
    }

    /// The table alone.
    pub fn table(&self) -> String {
        let mut text =
            "| device | shape | work | tokens/s | GFLOP/s | of the product | median | 95 % interval |\n\
             |---|---|---|--:|--:|--:|--:|--:|\n"
                .to_owned();
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row, &self.rows));
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "# Devices\n\n{}\nTokens are made in decoding (its time includes the prompt) and read in all other \
             works. Operations count matrix\nproducts alone; \"of the product\" is the share of the rate of the \
             device's own product of square matrices. Medians\nand intervals are criterion's, over samples of \
             one run; kernels were compiled and tuned before.\n\n## Setup\n\n",
            self.table()
        );
        for device in &self.devices {
            let _ = writeln!(text, "* device {}", device.line());
        }
        for (name, fact) in &self.setup.facts {
            let _ = writeln!(text, "* {name}: {}", fact.replace('\n', "\n  "));
        }
        text
    }
}

fn csv(rows: &[Row]) -> String {
    let mut text = "device,shape,work,tokens,flops,median_s,low_s,high_s\n".to_owned();
    for Row { device, shape, work, tokens, flops, time } in rows {
        let Estimate { median, low, high } = time;
        let (work, flops) = (work.name(), flops.0);
        let _ = writeln!(
            text,
            "{device},{shape},{work},{tokens},{flops:.0},{median:.9},{low:.9},{high:.9}"
        );
    }
    text
}

fn rate(row: &Row) -> f64 {
    row.flops.0 / row.time.median / 1e9
}

fn line(row: &Row, rows: &[Row]) -> String {
    let Row { device, shape, work, time, .. } = row;
    let ceiling = rows.iter().find(|other| {
        other.work == Work::Product && (&other.device, other.shape) == (device, *shape)
    });
    let (tokens, share) = if *work == Work::Product {
        ("-".to_owned(), "-".to_owned())
    } else {
        let share = ceiling.map(|ceiling| format!("{:.1} %", 100.0 * rate(row) / rate(ceiling)));
        (format!("{:.0}", row.tokens as f64 / time.median), share.unwrap_or_else(|| "-".to_owned()))
    };
    let (work, rate) = (work.name(), rate(row));
    let [median, low, high] = [time.median, time.low, time.high].map(|seconds| 1e3 * seconds);
    format!(
        "| {device} | {shape} | {work} | {tokens} | {rate:.2} | {share} | {median:.3} ms | {low:.3} to {high:.3} |"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: Work, flops: f64, median: f64) -> Row {
        let time = Estimate { median, low: median / 2.0, high: median * 2.0 };
        Row {
            device: "flex".to_owned(),
            shape: "tiny",
            work,
            tokens: 10,
            flops: Flops(flops),
            time,
        }
    }

    #[test]
    fn a_line_gives_rates_and_the_share_of_the_ceiling() {
        let rows = [row(Work::Product, 4e9, 1.0), row(Work::Forward, 1e9, 0.5)];
        let expect =
            "| flex | tiny | forward | 20 | 2.00 | 50.0 % | 500.000 ms | 250.000 to 1000.000 |";
        assert_eq!(line(&rows[1], &rows), expect);
        assert!(line(&rows[0], &rows).contains("| - | 4.00 | - |"));
        assert!(line(&rows[1], &rows[1..]).contains("| 2.00 | - |"));
    }

    #[test]
    fn a_run_takes_the_place_of_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let setup = Setup { facts: vec![("burn".to_owned(), "0.0".to_owned())] };
        for flops in [1e9, 2e9] {
            let rows = vec![row(Work::Forward, flops, 0.5)];
            Summary { setup: setup.clone(), devices: Vec::new(), rows }.write(&out).unwrap();
        }
        let csv = fs::read_to_string(out.join("device.csv")).unwrap();
        let expect = "flex,tiny,forward,10,2000000000,0.500000000,0.250000000,1.000000000";
        assert_eq!(csv.lines().nth(1), Some(expect));
        let page = fs::read_to_string(out.join("device.md")).unwrap();
        assert!(page.contains("* burn: 0.0") && page.contains("| forward | 20 | 4.00 |"), "{page}");
    }
}
