use std::fmt;

use half::{bf16, f16};
use zeroize::Zeroize;

use crate::datatype::Datatype;
use crate::error::RequestError;

/// A tensor of a request or response: row-major numbers in single precision, which is what models take and give here.
///
/// `Debug` shows name, datatype and shape only. Wiped when dropped.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    /// The model's name of it.
    pub name: String,
    /// How it travels.
    pub datatype: Datatype,
    /// Sizes of the axes, outermost first.
    pub shape: Vec<u64>,
    /// The elements.
    pub elements: Vec<f32>,
}

impl Tensor {
    /// A tensor of elements that came one by one.
    ///
    /// # Errors
    /// They don't fill the shape, or the datatype comes in binary only.
    pub fn from_elements(
        name: String,
        datatype: Datatype,
        shape: Vec<u64>,
        elements: Vec<f32>,
    ) -> Result<Tensor, RequestError> {
        if !datatype.in_json() {
            return Err(RequestError::BinaryOnly(name));
        }
        let expected = count(&name, &shape)?;
        let found = elements.len() as u64;
        // Wiped also if it is refused.
        let tensor = Tensor {
            name,
            datatype,
            shape,
            elements,
        };
        if found == expected {
            Ok(tensor)
        } else {
            Err(RequestError::Elements {
                input: tensor.name.clone(),
                expected,
                found,
            })
        }
    }

    /// A tensor of little-endian bytes, row-major.
    ///
    /// # Errors
    /// They don't fill the shape.
    pub fn from_binary(
        name: String,
        datatype: Datatype,
        shape: Vec<u64>,
        bytes: &[u8],
    ) -> Result<Tensor, RequestError> {
        let expected = count(&name, &shape)?.saturating_mul(datatype.bytes() as u64);
        if bytes.len() as u64 != expected {
            return Err(RequestError::BinarySize {
                input: name,
                expected,
                found: bytes.len() as u64,
            });
        }
        let elements = Tensor::read(datatype, bytes);
        Ok(Tensor {
            name,
            datatype,
            shape,
            elements,
        })
    }

    /// Elements that little-endian `bytes` of a datatype stand for, each rounded to single precision. The length is a multiple of the
    /// element's.
    fn read(datatype: Datatype, bytes: &[u8]) -> Vec<f32> {
        macro_rules! read {
            ($type:ty, $convert:expr) => {
                bytes
                    .as_chunks::<{ size_of::<$type>() }>()
                    .0
                    .iter()
                    .map(|chunk| $convert(<$type>::from_le_bytes(*chunk)))
                    .collect()
            };
        }
        match datatype {
            Datatype::Bool => read!(u8, |byte| f32::from(u8::from(byte != 0))),
            Datatype::Uint8 => read!(u8, f32::from),
            Datatype::Uint16 => read!(u16, f32::from),
            Datatype::Uint32 => read!(u32, |value| value as f32),
            Datatype::Uint64 => read!(u64, |value| value as f32),
            Datatype::Int8 => read!(i8, f32::from),
            Datatype::Int16 => read!(i16, f32::from),
            Datatype::Int32 => read!(i32, |value| value as f32),
            Datatype::Int64 => read!(i64, |value| value as f32),
            Datatype::Fp16 => read!(f16, f16::to_f32),
            Datatype::Bf16 => read!(bf16, bf16::to_f32),
            Datatype::Fp32 => read!(f32, |value| value),
            Datatype::Fp64 => read!(f64, |value| value as f32),
        }
    }

    /// The elements as little-endian bytes of the tensor's datatype; integers are rounded to the nearest.
    pub fn to_bytes(&self) -> Vec<u8> {
        macro_rules! write {
            ($convert:expr) => {
                self.elements
                    .iter()
                    .flat_map(|&element| $convert(element).to_le_bytes())
                    .collect()
            };
        }
        match self.datatype {
            Datatype::Bool => write!(|element: f32| u8::from(element != 0.0)),
            Datatype::Uint8 => write!(|element: f32| element.round() as u8),
            Datatype::Uint16 => write!(|element: f32| element.round() as u16),
            Datatype::Uint32 => write!(|element: f32| element.round() as u32),
            Datatype::Uint64 => write!(|element: f32| element.round() as u64),
            Datatype::Int8 => write!(|element: f32| element.round() as i8),
            Datatype::Int16 => write!(|element: f32| element.round() as i16),
            Datatype::Int32 => write!(|element: f32| element.round() as i32),
            Datatype::Int64 => write!(|element: f32| element.round() as i64),
            Datatype::Fp16 => write!(f16::from_f32),
            Datatype::Bf16 => write!(bf16::from_f32),
            Datatype::Fp32 => write!(|element: f32| element),
            Datatype::Fp64 => write!(f64::from),
        }
    }
}

/// Elements of a tensor of this shape.
fn count(input: &str, shape: &[u64]) -> Result<u64, RequestError> {
    let product = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    product.ok_or_else(|| RequestError::Shape(input.to_owned()))
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{:?}", self.name, self.datatype, self.shape)
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        self.elements.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor(datatype: Datatype, elements: Vec<f32>) -> Tensor {
        Tensor {
            name: "x".to_owned(),
            datatype,
            shape: vec![elements.len() as u64],
            elements,
        }
    }

    #[test]
    fn every_datatype_reads_what_it_writes() {
        for datatype in Datatype::ALL {
            let elements = match datatype {
                Datatype::Bool => vec![0.0, 1.0],
                Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 | Datatype::Uint64 => vec![0.0, 1.0, 255.0],
                Datatype::Int8 | Datatype::Int16 | Datatype::Int32 | Datatype::Int64 => vec![-128.0, -1.0, 0.0, 127.0],
                _ => vec![-2.5, -0.0, 0.0, 0.125, 96.0],
            };
            let bytes = tensor(datatype, elements.clone()).to_bytes();
            assert_eq!(bytes.len(), elements.len() * datatype.bytes(), "{datatype}");
            assert_eq!(Tensor::read(datatype, &bytes), elements, "{datatype}");
        }
    }

    #[test]
    fn known_bytes_have_their_values() {
        let read = |datatype, bytes: &[u8]| Tensor::read(datatype, bytes);
        assert_eq!(read(Datatype::Bool, &[0, 1, 2]), [0.0, 1.0, 1.0]);
        assert_eq!(read(Datatype::Int16, &[0xfe, 0xff, 1, 0]), [-2.0, 1.0]);
        assert_eq!(read(Datatype::Uint16, &[0xfe, 0xff]), [65534.0]);
        assert_eq!(read(Datatype::Fp16, &[0x00, 0x3c, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(read(Datatype::Bf16, &[0x80, 0x3f]), [1.0]);
        assert_eq!(read(Datatype::Fp64, &1.5_f64.to_le_bytes()), [1.5]);
        assert_eq!(read(Datatype::Int64, &(-3_i64).to_le_bytes()), [-3.0]);
    }

    #[test]
    fn a_tensor_does_not_show_its_elements() {
        assert_eq!(format!("{:?}", tensor(Datatype::Fp32, vec![41.5])), "x: FP32[1]");
    }

    proptest! {
        #[test]
        fn single_precision_travels_unchanged(elements: Vec<f32>) {
            let bytes = tensor(Datatype::Fp32, elements.clone()).to_bytes();
            let read = Tensor::read(Datatype::Fp32, &bytes);
            prop_assert!(read.iter().zip(&elements).all(|(a, b)| a.to_bits() == b.to_bits()));
            prop_assert_eq!(read.len(), elements.len());
        }
    }
}
