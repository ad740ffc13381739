//! A grey picture in characters.

/// From black to white.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// A picture of numbers from 0 to 1, row-major. Two rows become one line, since characters are twice as high as wide.
pub fn picture(width: usize, pixels: &[f32]) -> String {
    let rows: Vec<&[f32]> = pixels.chunks_exact(width).collect();
    let line = |pair: &[&[f32]]| -> String {
        let shade = |column: usize| {
            let mean = pair.iter().map(|row| row[column]).sum::<f32>() / pair.len() as f32;
            SHADES[((mean * SHADES.len() as f32) as usize).min(SHADES.len() - 1)]
        };
        (0..width).map(shade).collect::<String>().trim_end().to_owned()
    };
    let lines: Vec<String> = rows.chunks(2).map(line).collect();
    let shown = |line: &&String| !line.is_empty();
    let lines: Vec<&String> = lines.iter().filter(shown).collect();
    lines.iter().map(|line| format!("      {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bright_pixels_are_dense_characters() {
        assert_eq!(
            picture(2, &[0.0, 1.0, 0.0, 1.0, 0.5, 0.0, 0.5, 0.0]),
            "       @\n      +\n"
        );
        assert_eq!(picture(2, &[0.0; 4]), "");
    }
}
