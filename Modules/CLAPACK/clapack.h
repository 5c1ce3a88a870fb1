// The routines of LAPACK and BLAS that LinearAlgebra uses, called by value.
//
// Matrices are column-major, as in Fortran. Each `clapack_…` function forwards to the Fortran
// symbol and returns its INFO. The symbols are declared here, not taken from a header of the
// system: compiling needs no development package, only linking does. On Linux they come out of
// OpenBLAS with 32-bit integers; on Apple platforms out of Accelerate, under the names that its
// LAPACK 3.9 and later carries.
#ifndef CLAPACK_H
#define CLAPACK_H

#include <stddef.h>

// Fortran passes the length of each character argument by value behind the others. Accelerate's
// routines are written in C and take none.
#if defined(__APPLE__)
#define CLAPACK_TEXT(name) #name
#define CLAPACK_SYMBOL(name) __asm("_" CLAPACK_TEXT(name) "$NEWLAPACK")
#define CLAPACK_LENGTH1
#define CLAPACK_LENGTH2
#define CLAPACK_LENGTH3
#define CLAPACK_LENGTH4
#define CLAPACK_ONE1
#define CLAPACK_ONE2
#define CLAPACK_ONE3
#define CLAPACK_ONE4
#else
#define CLAPACK_SYMBOL(name)
#define CLAPACK_LENGTH1 , size_t
#define CLAPACK_LENGTH2 , size_t, size_t
#define CLAPACK_LENGTH3 , size_t, size_t, size_t
#define CLAPACK_LENGTH4 , size_t, size_t, size_t, size_t
#define CLAPACK_ONE1 , 1
#define CLAPACK_ONE2 , 1, 1
#define CLAPACK_ONE3 , 1, 1, 1
#define CLAPACK_ONE4 , 1, 1, 1, 1
#endif

// MARK: - Both precisions: Cholesky, LU, QR and LQ, products and triangular solves

#define CLAPACK_DEFINE(T, p)                                                                       \
  void p##potrf_(const char *uplo, const int *n, T *a, const int *lda, int *info CLAPACK_LENGTH1)  \
      CLAPACK_SYMBOL(p##potrf);                                                                    \
  /* A = UᵀU ('U') or LLᵀ ('L'), in place; INFO > 0: the order of a minor that is not positive. */ \
  static inline int clapack_##p##potrf(char uplo, int n, T *a, int lda) {                          \
    int info = 0;                                                                                  \
    p##potrf_(&uplo, &n, a, &lda, &info CLAPACK_ONE1);                                             \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##potri_(const char *uplo, const int *n, T *a, const int *lda, int *info CLAPACK_LENGTH1)  \
      CLAPACK_SYMBOL(p##potri);                                                                    \
  /* One triangle of the inverse out of what potrf left. */                                        \
  static inline int clapack_##p##potri(char uplo, int n, T *a, int lda) {                          \
    int info = 0;                                                                                  \
    p##potri_(&uplo, &n, a, &lda, &info CLAPACK_ONE1);                                             \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##getrf_(const int *m, const int *n, T *a, const int *lda, int *pivots, int *info)         \
      CLAPACK_SYMBOL(p##getrf);                                                                    \
  /* A = PLU, in place; INFO > 0: the first pivot that is exactly zero, counted from 1. */         \
  static inline int clapack_##p##getrf(int m, int n, T *a, int lda, int *pivots) {                 \
    int info = 0;                                                                                  \
    p##getrf_(&m, &n, a, &lda, pivots, &info);                                                     \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##getri_(const int *n, T *a, const int *lda, const int *pivots, T *work,                   \
                 const int *lwork, int *info) CLAPACK_SYMBOL(p##getri);                            \
  /* The inverse out of what getrf left. Here and below: lwork -1 asks for the workspace. */       \
  static inline int clapack_##p##getri(int n, T *a, int lda, const int *pivots, T *work,           \
                                       int lwork) {                                                \
    int info = 0;                                                                                  \
    p##getri_(&n, a, &lda, pivots, work, &lwork, &info);                                           \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##gelqf_(const int *m, const int *n, T *a, const int *lda, T *tau, T *work,                \
                 const int *lwork, int *info) CLAPACK_SYMBOL(p##gelqf);                            \
  /* A = LQ: L in the lower triangle, the reflectors of Q above it and in tau. */                  \
  static inline int clapack_##p##gelqf(int m, int n, T *a, int lda, T *tau, T *work, int lwork) {  \
    int info = 0;                                                                                  \
    p##gelqf_(&m, &n, a, &lda, tau, work, &lwork, &info);                                          \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##orglq_(const int *m, const int *n, const int *k, T *a, const int *lda, const T *tau,     \
                 T *work, const int *lwork, int *info) CLAPACK_SYMBOL(p##orglq);                   \
  /* The first m rows of the Q that gelqf left in k reflectors. */                                 \
  static inline int clapack_##p##orglq(int m, int n, int k, T *a, int lda, const T *tau, T *work,  \
                                       int lwork) {                                                \
    int info = 0;                                                                                  \
    p##orglq_(&m, &n, &k, a, &lda, tau, work, &lwork, &info);                                      \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##geqrf_(const int *m, const int *n, T *a, const int *lda, T *tau, T *work,                \
                 const int *lwork, int *info) CLAPACK_SYMBOL(p##geqrf);                            \
  /* A = QR: R in the upper triangle, the reflectors of Q below it and in tau. */                  \
  static inline int clapack_##p##geqrf(int m, int n, T *a, int lda, T *tau, T *work, int lwork) {  \
    int info = 0;                                                                                  \
    p##geqrf_(&m, &n, a, &lda, tau, work, &lwork, &info);                                          \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##orgqr_(const int *m, const int *n, const int *k, T *a, const int *lda, const T *tau,     \
                 T *work, const int *lwork, int *info) CLAPACK_SYMBOL(p##orgqr);                   \
  /* The first n columns of the Q that geqrf left in k reflectors. */                              \
  static inline int clapack_##p##orgqr(int m, int n, int k, T *a, int lda, const T *tau, T *work,  \
                                       int lwork) {                                                \
    int info = 0;                                                                                  \
    p##orgqr_(&m, &n, &k, a, &lda, tau, work, &lwork, &info);                                      \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##ormqr_(const char *side, const char *trans, const int *m, const int *n, const int *k,    \
                 const T *a, const int *lda, const T *tau, T *c, const int *ldc, T *work,          \
                 const int *lwork, int *info CLAPACK_LENGTH2) CLAPACK_SYMBOL(p##ormqr);            \
  /* C becomes op(Q)·C ('L') or C·op(Q) ('R'), Q as geqrf left it. */                              \
  static inline int clapack_##p##ormqr(char side, char trans, int m, int n, int k, const T *a,     \
                                       int lda, const T *tau, T *c, int ldc, T *work,              \
                                       int lwork) {                                                \
    int info = 0;                                                                                  \
    p##ormqr_(&side, &trans, &m, &n, &k, a, &lda, tau, c, &ldc, work, &lwork, &info CLAPACK_ONE2); \
    return info;                                                                                   \
  }                                                                                                \
                                                                                                   \
  void p##trsm_(const char *side, const char *uplo, const char *transa, const char *diag,          \
                const int *m, const int *n, const T *alpha, const T *a, const int *lda, T *b,      \
                const int *ldb CLAPACK_LENGTH4) CLAPACK_SYMBOL(p##trsm);                           \
  /* B becomes B·op(A)⁻¹, A triangular: the side that row-major right-hand sides need. */          \
  static inline void clapack_##p##trsm_right(char uplo, char trans, char diag, int m, int n,       \
                                             const T *a, int lda, T *b, int ldb) {                 \
    const char side = 'R';                                                                         \
    const T one = 1;                                                                               \
    p##trsm_(&side, &uplo, &trans, &diag, &m, &n, &one, a, &lda, b, &ldb CLAPACK_ONE4);            \
  }                                                                                                \
                                                                                                   \
  void p##gemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,  \
                const T *alpha, const T *a, const int *lda, const T *b, const int *ldb,            \
                const T *beta, T *c, const int *ldc CLAPACK_LENGTH2) CLAPACK_SYMBOL(p##gemm);      \
  /* C = op(A)·op(B). */                                                                           \
  static inline void clapack_##p##gemm(char transa, char transb, int m, int n, int k, const T *a,  \
                                       int lda, const T *b, int ldb, T *c, int ldc) {              \
    const T one = 1, zero = 0;                                                                     \
    p##gemm_(&transa, &transb, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc CLAPACK_ONE2);   \
  }

CLAPACK_DEFINE(float, s)
CLAPACK_DEFINE(double, d)

// MARK: - Double precision only: spectra

void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work,
             const int *lwork, int *iwork, int *info CLAPACK_LENGTH1) CLAPACK_SYMBOL(dgesdd);
/// A = U·diag(s)·VT by divide and conquer; jobz 'N': s alone, 'S': thin, 'A': full.
static inline int clapack_dgesdd(char jobz, int m, int n, double *a, int lda, double *s, double *u,
                                 int ldu, double *vt, int ldvt, double *work, int lwork,
                                 int *iwork) {
  int info = 0;
  dgesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info CLAPACK_ONE1);
  return info;
}

void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt, const int *ldvt,
             double *work, const int *lwork, int *info CLAPACK_LENGTH2) CLAPACK_SYMBOL(dgesvd);
/// The same by QR iterations: slower, and converges where divide and conquer does not.
static inline int clapack_dgesvd(char job, int m, int n, double *a, int lda, double *s, double *u,
                                 int ldu, double *vt, int ldvt, double *work, int lwork) {
  int info = 0;
  dgesvd_(&job, &job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, &info CLAPACK_ONE2);
  return info;
}

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork,
             int *info CLAPACK_LENGTH2) CLAPACK_SYMBOL(dsyevd);
/// The eigenvalues of a symmetric matrix, ascending, and with 'V' the eigenvectors in place of A.
static inline int clapack_dsyevd(char jobz, char uplo, int n, double *a, int lda, double *w,
                                 double *work, int lwork, int *iwork, int liwork) {
  int info = 0;
  dsyevd_(&jobz, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, &info CLAPACK_ONE2);
  return info;
}

void dsyevr_(const char *jobz, const char *range, const char *uplo, const int *n, double *a,
             const int *lda, const double *vl, const double *vu, const int *il, const int *iu,
             const double *abstol, int *m, double *w, double *z, const int *ldz, int *isuppz,
             double *work, const int *lwork, int *iwork, const int *liwork,
             int *info CLAPACK_LENGTH3) CLAPACK_SYMBOL(dsyevr);
/// The eigenvalues first…last (counted from 1, ascending) and their eigenvectors.
static inline int clapack_dsyevr(char uplo, int n, double *a, int lda, int first, int last,
                                 double *w, double *z, int ldz, int *support, double *work,
                                 int lwork, int *iwork, int liwork) {
  const char jobz = 'V', range = 'I';
  const double none = 0;
  int info = 0, found = 0;
  dsyevr_(&jobz, &range, &uplo, &n, a, &lda, &none, &none, &first, &last, &none, &found, w, z, &ldz,
          support, work, &lwork, iwork, &liwork, &info CLAPACK_ONE3);
  return info;
}

// MARK: - Threads of OpenBLAS

// Weak: another LAPACK under the same name has no such functions, and Accelerate has none.
#if !defined(__APPLE__)
void openblas_set_num_threads(int count) __attribute__((weak));
int openblas_get_num_threads(void) __attribute__((weak));
int openblas_get_parallel(void) __attribute__((weak));
char *openblas_get_config(void) __attribute__((weak));
#endif

/// How OpenBLAS was built: 0 without threads, 1 with its own, 2 with OpenMP; -1: not OpenBLAS.
static inline int clapack_threading(void) {
#if !defined(__APPLE__)
  if (openblas_get_parallel) return openblas_get_parallel();
#endif
  return -1;
}

/// Sets OpenBLAS's threads; nothing where the library has no such function.
static inline void clapack_set_threads(int count) {
#if !defined(__APPLE__)
  if (openblas_set_num_threads) openblas_set_num_threads(count);
#else
  (void)count;
#endif
}

/// OpenBLAS's threads; 0 where the library does not say.
static inline int clapack_threads(void) {
#if !defined(__APPLE__)
  if (openblas_get_num_threads) return openblas_get_num_threads();
#endif
  return 0;
}

/// What the library says about itself, or NULL.
static inline const char *clapack_configuration(void) {
#if !defined(__APPLE__)
  if (openblas_get_config) return openblas_get_config();
#endif
  return NULL;
}

#endif
