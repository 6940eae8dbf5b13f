/* rank.c - see context.h. */
#include "context.h"

#include <math.h>

#define K1 1.2
#define B  0.75

double rank_weight(uint64_t n, uint64_t df)
{
    return log(1.0 + ((double)n - (double)df + 0.5) / ((double)df + 0.5));
}

double rank_term(double weight, double tf, uint32_t length, double average)
{
    double norm = K1 * (1.0 - B + B * (double)length / (average > 0 ? average : 1.0));

    return tf > 0 ? weight * tf * (K1 + 1.0) / (tf + norm) : 0;
}
