"""Which samples of a dataset LoadGen's numbers stand for in an audit: others than in the run it repeats."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.intp]


def fresh_samples(total: int, used: int, seed: int) -> Numbers:
    """[total]: the sample of the dataset for each of LoadGen's numbers.

    LoadGen's performance runs take the first `used` samples, so the others come first here, shuffled, and
    then those, shuffled too.
    """
    random = np.random.default_rng(seed)
    others, known = np.arange(min(used, total), total), np.arange(min(used, total))
    return np.concatenate([random.permutation(others), random.permutation(known)]).astype(np.intp)
