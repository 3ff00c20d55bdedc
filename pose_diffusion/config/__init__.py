"""Every setting of every job: one frozen section a subject, one sentence a key.

`loading.load` fills it from YAML and the command line; the text under a key is what `--help` prints.
Values are checked here (type, range, choice), so the code that uses them does not check again.
"""

from __future__ import annotations

from pose_diffusion.config.data import DataConfig
from pose_diffusion.config.infer import InferConfig
from pose_diffusion.config.lift import LiftConfig
from pose_diffusion.config.model import DiffusionConfig, ModelConfig
from pose_diffusion.config.outputs import ExportConfig, InspectConfig, OfficialConfig, ReportConfig
from pose_diffusion.config.prepare import PrepareConfig, SourceName
from pose_diffusion.config.ray import RayConfig
from pose_diffusion.config.section import Section
from pose_diffusion.config.sources import (
    ArchiveConfig,
    AsfAmcConfig,
    BvhConfig,
    CocoConfig,
    DeepLabCutConfig,
    HeatmapsConfig,
    Human36MConfig,
    JointsConfig,
    Mmpose3dConfig,
    MocapConfig,
    MpiInf3dhpConfig,
    OpenPoseConfig,
    SyntheticConfig,
    TableConfig,
)
from pose_diffusion.config.train import TrainConfig
from pose_diffusion.config.tune import TuneConfig
from pose_diffusion.config.video import VideoConfig

__all__ = [
    "ArchiveConfig",
    "AsfAmcConfig",
    "BvhConfig",
    "CocoConfig",
    "Config",
    "DataConfig",
    "DeepLabCutConfig",
    "DiffusionConfig",
    "ExportConfig",
    "HeatmapsConfig",
    "Human36MConfig",
    "InferConfig",
    "InspectConfig",
    "JointsConfig",
    "LiftConfig",
    "Mmpose3dConfig",
    "MocapConfig",
    "ModelConfig",
    "MpiInf3dhpConfig",
    "OfficialConfig",
    "OpenPoseConfig",
    "PrepareConfig",
    "RayConfig",
    "ReportConfig",
    "Section",
    "SourceName",
    "SyntheticConfig",
    "TableConfig",
    "TrainConfig",
    "TuneConfig",
    "VideoConfig",
]


class Config(Section):
    """One section a subject; each job reads the sections it needs."""

    data: DataConfig = DataConfig()
    prepare: PrepareConfig = PrepareConfig()
    inspect: InspectConfig = InspectConfig()
    synthetic: SyntheticConfig = SyntheticConfig()
    human36m: Human36MConfig = Human36MConfig()
    coco: CocoConfig = CocoConfig()
    openpose: OpenPoseConfig = OpenPoseConfig()
    alphapose: ArchiveConfig = ArchiveConfig()
    mmpose: ArchiveConfig = ArchiveConfig()
    mediapipe: ArchiveConfig = ArchiveConfig()
    tfjs: ArchiveConfig = ArchiveConfig()
    detectron2: ArchiveConfig = ArchiveConfig()
    videopose3d: ArchiveConfig = ArchiveConfig()
    deeplabcut: DeepLabCutConfig = DeepLabCutConfig()
    sleap: DeepLabCutConfig = DeepLabCutConfig()
    yolo: ArchiveConfig = ArchiveConfig()
    table: TableConfig = TableConfig()
    bvh: BvhConfig = BvhConfig()
    asf_amc: AsfAmcConfig = AsfAmcConfig()
    joints: JointsConfig = JointsConfig()
    mpi_inf_3dhp: MpiInf3dhpConfig = MpiInf3dhpConfig()
    mmpose3d: Mmpose3dConfig = Mmpose3dConfig()
    heatmaps: HeatmapsConfig = HeatmapsConfig()
    model: ModelConfig = ModelConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    video: VideoConfig = VideoConfig()
    train: TrainConfig = TrainConfig()
    tune: TuneConfig = TuneConfig()
    infer: InferConfig = InferConfig()
    lift: LiftConfig = LiftConfig()
    report: ReportConfig = ReportConfig()
    export: ExportConfig = ExportConfig()
    official: OfficialConfig = OfficialConfig()
    ray: RayConfig = RayConfig()
