cd /tmp/prof; rm -rf work; mkdir work; cd work
/tmp/acct.sh 4096 env MLFLOW_TRACKING_URI= "$@" /tmp/ci/.venv/bin/python -m csam_lightning.train data=folder data.root=/tmp/prof/scans data.image_size=32 data.num_folds=3 trainer.max_epochs=2 cache_dir=/tmp/prof/cache
