//! Sizes of noise and steps as they are typed: `0.1`, `3%`, `Q4_K=0.1,Q6_K=0.6`, `scales=2%`, `Q4_K.scales=2%`.

use anyhow::Result;

use super::UsageError;
use crate::block::Field;
use crate::tensor_type::TensorType;

/// A size that was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// In steps of the integers.
    Steps(f64),
    /// As displacement: a share of the weights' root mean square.
    Displacement(f64),
}

/// Returns what a flag's text says for a field of a type. The last part that is for it counts.
pub fn find(flag: &str, text: Option<&str>, tensor_type: TensorType, field: Field) -> Result<Option<Size>> {
    let mut found = None;
    for part in text.iter().flat_map(|text| text.split(',')) {
        let (applies, size) = match part.split_once('=') {
            Some((name, size)) => (is_for(flag, name.trim(), tensor_type, field)?, size),
            None => (true, part),
        };
        let size = size_of(flag, size.trim())?;
        if applies {
            found = Some(size);
        }
    }
    Ok(found)
}

/// Returns whether a name, of a type, a field, or both with a dot between, is that of a field of a type.
fn is_for(flag: &str, name: &str, tensor_type: TensorType, field: Field) -> Result<bool> {
    let named = |name: &str| name.parse::<TensorType>().map_err(|e| UsageError(format!("{flag}: {e}")));
    if let Ok(of_field) = name.parse::<Field>() {
        return Ok(of_field == field);
    }
    match name.split_once('.') {
        Some((of_type, of_field)) => {
            let of_field: Field = of_field.parse().map_err(|e| UsageError(format!("{flag}: {e}")))?;
            Ok(named(of_type)? == tensor_type && of_field == field)
        }
        None => Ok(named(name)? == tensor_type),
    }
}

fn size_of(flag: &str, text: &str) -> Result<Size> {
    let (number, is_share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let number: f64 =
        number.trim().parse().map_err(|_| UsageError(format!("{flag}: \"{text}\" is not a number")))?;
    Ok(if is_share { Size::Displacement(number / 100.0) } else { Size::Steps(number) })
}

/// Refuses values that are only for types and fields which this run does not tune.
pub fn check_applies(flag: &str, text: Option<&str>, entries: &[(TensorType, Field)]) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    for &(tensor_type, field) in entries {
        if find(flag, Some(text), tensor_type, field)?.is_some() {
            return Ok(());
        }
    }
    let tuned: Vec<String> = entries.iter().map(|(of_type, field)| format!("{of_type}.{field}")).collect();
    Err(UsageError(format!("{flag} {text} is for nothing that is tuned here: {}", tuned.join(", "))).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_all_or_for_a_type_or_a_field() {
        let size = |text, tensor_type, field| {
            find("--sigma", Some(text), tensor_type, field).map_err(|e| e.to_string())
        };
        let (q4_k, q8_0) = (TensorType::Q4_K, TensorType::Q8_0);
        assert_eq!(size("0.5", q4_k, Field::Codes), Ok(Some(Size::Steps(0.5))));
        assert_eq!(size("Q4_K=0.5,Q8_0=2", q8_0, Field::Codes), Ok(Some(Size::Steps(2.0))));
        assert_eq!(size("1,q8_0=2", q8_0, Field::Scales), Ok(Some(Size::Steps(2.0))));
        assert_eq!(size("Q8_0=2", q4_k, Field::Codes), Ok(None));
        assert_eq!(size("3%", q4_k, Field::Mins), Ok(Some(Size::Displacement(0.03))));
        assert_eq!(size("scales=3%,mins=5", q4_k, Field::Mins), Ok(Some(Size::Steps(5.0))));
        assert_eq!(size("Q4_K.scales=7", q4_k, Field::Mins), Ok(None));
        assert_eq!(size("Q4_K.scales=7", q4_k, Field::Scales), Ok(Some(Size::Steps(7.0))));
        for (text, says) in
            [("x", "\"x\" is not a number"), ("Q9=1", "Q9"), ("Q4_K.dust=1", "\"dust\" is no field")]
        {
            let message = size(text, q4_k, Field::Codes).unwrap_err();
            assert!(message.contains(says) && message.contains("--sigma"), "{message}");
        }
    }

    #[test]
    fn sizes_for_nothing_are_refused() {
        let entries = [(TensorType::Q8_0, Field::Scales)];
        assert!(check_applies("--alpha", Some("Q8_0=1"), &entries).is_ok());
        let message = check_applies("--alpha", Some("codes=1"), &entries).unwrap_err().to_string();
        assert!(message.contains("nothing that is tuned here: Q8_0.scales"), "{message}");
    }
}
