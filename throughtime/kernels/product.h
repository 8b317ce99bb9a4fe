// Products with a matrix packed in panels: a tile of rows times a panel of columns, held in registers.
//
// Every element is one chain of multiply-adds over the depth, in order, whatever the tile's height or the panel's
// width: a row's result does not depend on the rows beside it.
#pragma once

#include <cstdlib>

#include "kernels.h"
#include "vec.h"

namespace throughtime::THROUGHTIME_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Zeroed memory that starts on a vector.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size) {
    const size_t bytes = size_t(ceil_div(size * int64_t(sizeof(T)), 64) * 64);
    data_ = static_cast<T*>(std::aligned_alloc(64, bytes ? bytes : 64));
    if (!data_) out_of_memory();
    std::memset(data_, 0, bytes);
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* row(int64_t offset) const { return data_ + offset; }

 private:
  T* data_;
};

// `total` things in as few parts of at most `most` as will do, as even as can be.
struct Split {
  int64_t parts, size, longer;  // the first `longer` parts hold one more than `size`
  Split(int64_t total, int64_t most) : parts(ceil_div(total, most)), size(0), longer(0) {
    if (parts) size = total / parts, longer = total % parts;
  }
  int64_t begin(int64_t part) const { return part * size + (part < longer ? part : longer); }
  int64_t length(int64_t part) const { return size + (part < longer); }
};

// How a matrix lies in panels. A block is a vector of units with all its gates (groups) side by side; a panel is one
// or more blocks: [depth][block][group][lane]. Units beyond the last are zero.
template <class T>
struct Panels {
  int64_t depth, groups, units;
  Split blocks;
  Panels(int64_t depth, int64_t groups, int64_t units)
      : depth(depth), groups(groups), units(units),
        blocks(ceil_div(units, lanes<T>), groups < widest ? widest / groups : 1) {}
  explicit Panels(const Source<T>& s) : Panels(s.depth, s.groups, s.units) {}
  int64_t count() const { return blocks.parts; }
  int64_t vectors(int64_t panel) const { return blocks.length(panel) * groups; }
  int64_t first_block(int64_t panel) const { return blocks.begin(panel); }
  int64_t begin(int64_t panel) const { return first_block(panel) * groups * lanes<T> * depth; }
  int64_t size() const { return ceil_div(units, lanes<T>) * groups * lanes<T> * depth; }
};

template <class T>
void pack(const Source<T>& s, int64_t first, int64_t last, T* packed) {
  const Panels<T> panels(s);
  for (int64_t panel = first; panel < last; panel++) {
    const int64_t width = panels.vectors(panel) * lanes<T>;
    T* to = packed + panels.begin(panel);
    for (int64_t v = 0; v < panels.vectors(panel); v++) {
      const int64_t unit = (panels.first_block(panel) + v / s.groups) * lanes<T>;
      const T* from = s.data + (v % s.groups) * s.group_stride + unit * s.unit_stride;
      const int64_t count = s.units - unit < lanes<T> ? s.units - unit : lanes<T>;
      for (int64_t k = 0; k < s.depth; k++) {
        T* vector = to + k * width + v * lanes<T>;
        const T* column = from + k * s.depth_stride;
        if (s.unit_stride == 1) store(vector, load(column, count));
        else
          for (int64_t i = 0; i < lanes<T>; i++) vector[i] = i < count ? column[i * s.unit_stride] : T(0);
      }
    }
  }
}

constexpr int tallest(int vectors) { return accumulators / vectors < 8 ? accumulators / vectors : 8; }

// out [rows][vectors][lane] = in [rows, depth] x panel; `across`: in is [depth, rows].
template <class T, int rows, int vectors, bool across>
void tile(const T* in, int64_t stride, const T* panel, int64_t depth, T* out) {
  Vec<T> sum[rows][vectors];
#pragma GCC unroll 8
  for (int m = 0; m < rows; m++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sum[m][v] = Vec<T>{};
  for (int64_t k = 0; k < depth; k++) {
    Vec<T> weight[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) weight[v] = load(panel + v * lanes<T>);
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
      const Vec<T> x = broadcast(across ? in[k * stride + m] : in[m * stride + k]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[m][v] = fma(x, weight[v], sum[m][v]);
    }
    panel += vectors * lanes<T>;
  }
#pragma GCC unroll 8
  for (int m = 0; m < rows; m++)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) store(out + (m * vectors + v) * lanes<T>, sum[m][v]);
}

template <class T>
using Tile = void (*)(const T* in, int64_t stride, const T* panel, int64_t depth, T* out);

template <class T, bool across, int vectors>
Tile<T> tile_of(int64_t rows) {
  switch (rows) {
    case 1: return tile<T, 1, vectors, across>;
    case 2: return tile<T, 2, vectors, across>;
    case 3: return tile<T, 3, vectors, across>;
    case 4: if constexpr (tallest(vectors) >= 4) return tile<T, 4, vectors, across>; break;
    case 5: if constexpr (tallest(vectors) >= 5) return tile<T, 5, vectors, across>; break;
    case 6: if constexpr (tallest(vectors) >= 6) return tile<T, 6, vectors, across>; break;
    case 7: if constexpr (tallest(vectors) >= 7) return tile<T, 7, vectors, across>; break;
    case 8: if constexpr (tallest(vectors) >= 8) return tile<T, 8, vectors, across>; break;
  }
  __builtin_unreachable();
}

template <class T, bool across>
Tile<T> tile_of(int64_t rows, int64_t vectors) {
  switch (vectors) {
    case 1: return tile_of<T, across, 1>(rows);
    case 2: return tile_of<T, across, 2>(rows);
    case 3: return tile_of<T, across, 3>(rows);
    case 4: return tile_of<T, across, 4>(rows);
    case 5: if constexpr (widest >= 5) return tile_of<T, across, 5>(rows); break;
    case 6: if constexpr (widest >= 6) return tile_of<T, across, 6>(rows); break;
  }
  __builtin_unreachable();
}

constexpr int largest_tile = 8 * widest;  // vectors, an upper bound

// Some rows and some blocks of units.
struct Part {
  int64_t row, rows, block, blocks;
};

inline void nothing_ahead(const Part&) {}

// For every panel and every tile of `rows`: the product, handed to `use(part, tile)`. Before it is made, `ahead(part)` may
// fetch what `use` will need.
template <class T, class Ahead, class Use>
inline void multiply(const Panels<T>& panels, const T* packed, const T* in, int64_t stride, int64_t rows, Ahead ahead,
                     Use use) {
  alignas(64) T out[largest_tile * lanes<T>];
  for (int64_t panel = 0; panel < panels.count(); panel++) {
    const int64_t vectors = panels.vectors(panel);
    const Split heights(rows, tallest(int(vectors)));
    for (int64_t part = 0; part < heights.parts; part++) {
      const Part own = {heights.begin(part), heights.length(part), panels.first_block(panel), panels.blocks.length(panel)};
      ahead(own);
      tile_of<T, false>(own.rows, vectors)(in + own.row * stride, stride, packed + panels.begin(panel), panels.depth, out);
      use(own, out);
    }
  }
}

template <class T>
void product(const Source<T>& shape, const T* packed, const T* bias, const T* in, int64_t in_stride, T* out,
             int64_t out_stride, int64_t rows) {
  const Panels<T> panels(shape);
  auto use = [&](const Part& part, const T* tile) {
    for (int64_t m = 0; m < part.rows; m++)
      for (int64_t b = 0; b < part.blocks; b++) {
        const int64_t unit = (part.block + b) * lanes<T>, left = shape.units - unit;
        Vec<T> sum = load(tile + (m * part.blocks + b) * lanes<T>);
        if (bias) sum += load(bias + unit, left);
        store(out + (part.row + m) * out_stride + unit, sum, left);
      }
  };
  multiply<T>(panels, packed, in, in_stride, rows, nothing_ahead, use);
}

// Columns of in [depth, columns] side by side in strips that tiles fill: [strip][depth][column]; their sums are added.
template <class T>
struct Strips {
  static constexpr int64_t width = 3 * lanes<T>;
  T *const part_sums, *const packed;
  Strips(T* memory, int64_t columns) : part_sums(memory), packed(memory + ceil_div(columns, width) * width) {}
  static int64_t size(int64_t columns, int64_t deepest) { return ceil_div(columns, width) * width * (deepest + 1); }

  const T* at(int64_t column, int64_t depth) const { return packed + column * depth; }

  void pack(const T* in, int64_t stride, int64_t columns, int64_t depth, T* sums) const {
    std::memset(part_sums, 0, size_t(columns) * sizeof(T));
    for (int64_t k = 0; k < depth; k++) {
      const T* const from = in + k * stride;
      T* to = packed + k * width;
      for (int64_t first = 0; first < columns; first += width, to += depth * width)
        for (int64_t j = 0; j < width && first + j < columns; j += lanes<T>) {
          const int64_t left = columns - first - j;
          const Vec<T> v = left >= lanes<T> ? load(from + first + j) : load(from + first + j, left);
          T* const sum = part_sums + first + j;
          __builtin_prefetch(from + 8 * stride + first + j);  // the next rows travel meanwhile
          store(to + j, v);
          store(sum, load(sum) + v);
        }
    }
    for (int64_t column = 0; sums && column < columns; column++) sums[column] += part_sums[column];
  }
};

// out [rows][units] += tile, from a unit on.
template <class T>
inline void add_tile(const T* tile, int64_t rows, int64_t vectors, T* out, int64_t stride, int64_t units) {
  for (int64_t m = 0; m < rows; m++)
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t unit = v * lanes<T>, left = units - unit;
      T* const to = out + m * stride + unit;
      const Vec<T> own = load(tile + (m * vectors + v) * lanes<T>);
      if (left >= lanes<T>) store(to, load(to) + own);
      else store(to, load(to, left) + own, left);
    }
}

// out [columns, units] += in [depth, columns] transposed x matrix [depth, units], some depth at a time: each element is the
// sum, in order, of those parts' chains.
constexpr int64_t deepest = 128;

template <class T>
int64_t outer_scratch(const Source<T>& matrix, int64_t columns) {
  return Panels<T>(deepest, 1, matrix.units).size() + Strips<T>::size(columns, deepest);
}

template <class T>
void outer(const Source<T>& matrix, const T* in, int64_t in_stride, T* out, int64_t out_stride, T* sums,
           int64_t columns, T* scratch) {
  Source<T> part = matrix;
  T* const packed = scratch;
  const Strips<T> strips(scratch + Panels<T>(deepest, 1, matrix.units).size(), columns);
  alignas(64) T product[largest_tile * lanes<T>];
  for (int64_t begin = 0; begin < matrix.depth; begin += deepest) {
    part.data = matrix.data + begin * matrix.depth_stride;
    part.depth = matrix.depth - begin < deepest ? matrix.depth - begin : deepest;
    const Panels<T> panels(part);
    pack(part, 0, panels.count(), packed);
    strips.pack(in + begin * in_stride, in_stride, columns, part.depth, sums);
    for (int64_t panel = 0; panel < panels.count(); panel++) {
      const int64_t vectors = panels.vectors(panel), unit = panels.first_block(panel) * lanes<T>;
      for (int64_t first = 0; first < columns; first += Strips<T>::width) {
        const int64_t left = columns - first;
        const Split heights(left < Strips<T>::width ? left : Strips<T>::width, tallest(int(vectors)));
        for (int64_t number = 0; number < heights.parts; number++) {
          const int64_t rows = heights.length(number), column = heights.begin(number);
          tile_of<T, true>(rows, vectors)(strips.at(first, part.depth) + column, Strips<T>::width,
                                          packed + panels.begin(panel), part.depth, product);
          add_tile(product, rows, vectors, out + (first + column) * out_stride + unit, out_stride, matrix.units - unit);
        }
      }
    }
  }
}

}  // namespace throughtime::THROUGHTIME_ISA
