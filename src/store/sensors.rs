//! Facts of a machine that should not be worked hard: whether it is charging, and how hot it is. On Linux they are read from
//! `/sys/class`, in Termux on Android by its own program.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Termux's program for the battery.
const TERMUX: &str = "termux-battery-status";

/// Returns whether the machine gets power from outside; `None` if nothing tells, as on a machine without a battery.
pub fn is_charging() -> Option<bool> {
    charging(Path::new("/sys/class/power_supply"))
        .or_else(|| termux()?.get("plugged")?.as_str().map(|plugged| plugged != "UNPLUGGED"))
}

/// Returns the temperature of the hottest sensor in degrees Celsius, if there is one.
pub fn hottest() -> Option<f64> {
    hottest_of(Path::new("/sys/class/thermal")).or_else(|| termux()?.get("temperature")?.as_f64())
}

/// Returns the object that Termux's program prints.
fn termux() -> Option<serde_json::Value> {
    let output = Command::new(TERMUX).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// Returns the text of a file in each folder of a folder, where there is one.
fn texts(folder: &Path, names: [&str; 2]) -> Vec<[Option<String>; 2]> {
    let text = |path: &Path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    folders.map(|folder| names.map(|name| text(&folder.path().join(name)))).collect()
}

fn charging(supplies: &Path) -> Option<bool> {
    let outside = texts(supplies, ["type", "online"]);
    let online: Vec<bool> = outside
        .iter()
        .filter(|[kind, _]| kind.as_deref().is_some_and(|kind| kind != "Battery"))
        .filter_map(|[_, online]| online.as_deref().map(|online| online != "0"))
        .collect();
    let batteries: Vec<bool> = texts(supplies, ["type", "status"])
        .iter()
        .filter(|[kind, _]| kind.as_deref() == Some("Battery"))
        .filter_map(|[_, status]| status.as_deref().map(|status| status != "Discharging"))
        .collect();
    // Without a battery, the machine has power while it runs.
    let has_battery = !batteries.is_empty();
    has_battery.then(|| online.contains(&true) || batteries.iter().all(|charging| *charging))
}

fn hottest_of(zones: &Path) -> Option<f64> {
    let degrees =
        |[temp, _]: &[Option<String>; 2]| temp.as_deref()?.parse::<f64>().ok().map(|milli| milli / 1000.0);
    texts(zones, ["temp", "type"]).iter().filter_map(degrees).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Writes files into a folder such as `/sys/class/power_supply`.
    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        folder
    }

    #[test]
    fn a_charger_or_a_battery_tells_whether_it_is_charging() {
        let told = |online, status| {
            let files = [
                ("AC/type", "Mains"),
                ("AC/online", online),
                ("BAT0/type", "Battery"),
                ("BAT0/status", status),
            ];
            charging(folder(&files).path())
        };
        assert_eq!(told("1", "Charging"), Some(true));
        assert_eq!(told("1", "Discharging"), Some(true));
        assert_eq!(told("0", "Discharging"), Some(false));
        assert_eq!(told("0", "Full"), Some(true));
        assert_eq!(charging(folder(&[("AC/type", "Mains"), ("AC/online", "1")]).path()), None);
        assert_eq!(charging(Path::new("/nowhere")), None);
    }

    #[test]
    fn the_hottest_sensor_counts() {
        let zones = folder(&[("a/temp", "41000"), ("b/temp", "58500"), ("c/temp", "none"), ("d/type", "x")]);
        assert_eq!(hottest_of(zones.path()), Some(58.5));
        assert_eq!(hottest_of(Path::new("/nowhere")), None);
    }
}
