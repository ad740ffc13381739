//! Arrays in NumPy's file format.

use std::fs;
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use tercet_plan::Array;

use crate::exit::Failure;

/// Reads float32, float64 or integers of any width and byte order; column-major files come out row-major.
pub fn read(path: &Path) -> Result<Array, Failure> {
    let shown = path.display();
    let bytes = fs::read(path)
        .map_err(|reason| Failure::input(format!("cannot read {shown}: {reason}; give the path of a .npy file")))?;
    from_bytes(&bytes).map_err(|reason| Failure::input(format!("cannot use {shown}: {reason}")))
}

/// Writes float32, row-major.
pub fn write(path: &Path, array: &Array) -> Result<(), Failure> {
    let failed = |reason: std::io::Error| {
        Failure::machine(format!(
            "cannot write {}: {reason}; choose a path that is writable",
            path.display()
        ))
    };
    let shape: Vec<u64> = array.shape().iter().map(|&size| size as u64).collect();
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes);
    let mut writer = options.begin_nd().map_err(failed)?;
    writer
        .extend(array.data().iter().copied())
        .and_then(|()| writer.finish())
        .map_err(failed)?;
    fs::write(path, bytes).map_err(failed)
}

/// Reads the bytes of a file; the error says what is wrong with them.
pub fn from_bytes(bytes: &[u8]) -> Result<Array, String> {
    const NOT_NPY: &str = "it is not a whole .npy file; save the array with numpy.save";
    let file = NpyFile::new(bytes).map_err(|_| NOT_NPY.to_owned())?;
    let dtype = file.dtype();
    let DType::Plain(kind) = &dtype else {
        return Err("it holds records, not numbers; save one array of float32".to_owned());
    };
    let shape: Vec<usize> = file
        .shape()
        .iter()
        .map(|&size| usize::try_from(size).unwrap_or(usize::MAX))
        .collect();
    let elements = shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    // The header is checked against the file's length before anything is allocated from it.
    let elements = elements.filter(|&elements| elements <= bytes.len()).ok_or(NOT_NPY)?;
    let column_major = file.order() == Order::Fortran;
    let read = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 4) => numbers::<f32>(file, |x| x),
        (TypeChar::Float, 8) => numbers::<f64>(file, |x| x as f32),
        (TypeChar::Int, 1) => numbers::<i8>(file, f32::from),
        (TypeChar::Int, 2) => numbers::<i16>(file, f32::from),
        (TypeChar::Int, 4) => numbers::<i32>(file, |x| x as f32),
        (TypeChar::Int, 8) => numbers::<i64>(file, |x| x as f32),
        (TypeChar::Uint, 1) => numbers::<u8>(file, f32::from),
        (TypeChar::Uint, 2) => numbers::<u16>(file, f32::from),
        (TypeChar::Uint, 4) => numbers::<u32>(file, |x| x as f32),
        (TypeChar::Uint, 8) => numbers::<u64>(file, |x| x as f32),
        _ => {
            let found = dtype.descr();
            return Err(format!(
                "its elements are {found}, and only float32, float64 and integers can be used; convert it with array.astype('float32')"
            ));
        }
    };
    let data = read.filter(|data| data.len() == elements).ok_or(NOT_NPY)?;
    let data = if column_major { row_major(&shape, &data) } else { data };
    Array::new(shape, data).map_err(|reason| reason.to_string())
}

fn numbers<T: npyz::Deserialize>(file: NpyFile<&[u8]>, convert: impl Fn(T) -> f32) -> Option<Vec<f32>> {
    file.data::<T>()
        .ok()?
        .map(|element| element.ok().map(&convert))
        .collect()
}

/// Reorders elements whose first axis varies fastest.
fn row_major(shape: &[usize], data: &[f32]) -> Vec<f32> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(data.len());
    for _ in 0..data.len() {
        ordered.push(data[index.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>()]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::{AutoSerialize, Serialize, WriteOptions};
    use proptest::prelude::*;

    fn file<T: Serialize + AutoSerialize + Copy>(shape: &[u64], order: Order, data: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .order(order)
            .writer(&mut bytes);
        let mut writer = options.begin_nd().unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn numbers_of(bytes: &[u8]) -> (Vec<usize>, Vec<f32>) {
        let array = from_bytes(bytes).unwrap();
        (array.shape().to_vec(), array.data().to_vec())
    }

    #[test]
    fn floats_and_integers_of_every_width_are_read() {
        let expected = (vec![2, 2], vec![1.0, 2.0, 3.0, 100.0]);
        macro_rules! check {
            ($($kind:ty),*) => {$(
                let data = [1 as $kind, 2 as $kind, 3 as $kind, 100 as $kind];
                assert_eq!(numbers_of(&file(&[2, 2], Order::C, &data)), expected, stringify!($kind));
            )*};
        }
        check!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);
    }

    #[test]
    fn column_major_files_come_out_row_major() {
        // [[1, 2, 3], [4, 5, 6]] with the first axis varying fastest.
        let bytes = file(&[2, 3], Order::Fortran, &[1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(numbers_of(&bytes), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    }

    #[test]
    fn other_elements_and_broken_files_are_refused_in_words() {
        let complaint = |bytes: &[u8]| from_bytes(bytes).unwrap_err();
        assert!(complaint(&file(&[1], Order::C, &[true])).contains("astype"));
        assert!(complaint(b"PK\x03\x04").contains("numpy.save"));
        let whole = file(&[4], Order::C, &[1.0_f32; 4]);
        assert!(complaint(&whole[..whole.len() - 1]).contains("not a whole"));
        assert!(complaint(&whole[..20]).contains("not a whole"));
    }

    #[test]
    fn a_header_that_claims_more_than_the_file_holds_allocates_nothing() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        assert!(from_bytes(&bytes).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("array.npy");
        let array = Array::new(vec![2, 1, 3], vec![0.5, -1.0, 2.0, 3.0, 4.0, 1e9]).unwrap();
        write(&path, &array).unwrap();
        assert!(read(&path).unwrap() == array);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(position in 0_usize..140, byte: u8) {
            let mut bytes = file(&[2, 2], Order::C, &[1.0_f32; 4]);
            let position = position % bytes.len();
            bytes[position] = byte;
            let _ = from_bytes(&bytes);
        }
    }
}
