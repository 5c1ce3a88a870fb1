#include <math.h>
#include <string.h>
#include "include/CKernels.h"
static void attend(const ck_attention_arguments *a, ptrdiff_t query, ptrdiff_t head) {
  ptrdiff_t width = a->head_width, position = a->first_position + query;
  ptrdiff_t first = a->window > 0 && position >= a->window ? position - a->window + 1 : 0;
  ptrdiff_t key_head = head / (a->head_count / a->key_head_count);
  const float *q = a->q + query * a->stride_q + head * width;
  const float *k = a->k + key_head * a->stride_key_head;
  const float *v = a->v + key_head * a->stride_key_head;
  float *out = a->out + query * a->stride_out + head * width;
  float maximum = -INFINITY, sum = 0;
  for (ptrdiff_t i = 0; i < width; i++) out[i] = 0;
  for (ptrdiff_t j = first; j <= position; j++) {
    float score = a->scale * ck_dot(width, q, k + j * width);
    if (a->soft_cap > 0) score = a->soft_cap * tanhf(score / a->soft_cap);
    float larger = score > maximum ? score : maximum;
    float old = expf(maximum - larger), weight = expf(score - larger);
    sum = sum * old + weight;
    for (ptrdiff_t i = 0; i < width; i++) out[i] = out[i] * old + weight * v[j * width + i];
    maximum = larger;
  }
  if (sum > 0) ck_scale_shift(width, out, 1 / sum, 0, out);
}

void ck_attention(const ck_attention_arguments *arguments) {
  for (ptrdiff_t query = 0; query < arguments->query_count; query++) {
    for (ptrdiff_t head = 0; head < arguments->head_count; head++) attend(arguments, query, head);
  }
}

