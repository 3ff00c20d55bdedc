// The video under the keypoints: frame n is what it shows at n / fps seconds, less where it starts.

class Film {
  /** told(text) shows a note to the reader, or hides it with ''. drawn() is called when the video is there, or gone. */
  constructor(video, fps, last, size, told, drawn) {
    Object.assign(this, {video, fps, last, size, told, start: 0, wanted: null, ready: false});
    video.addEventListener("loadedmetadata", () => {
      this.ready = true;
      video.hidden = false;
      told(this.doubts());
      drawn();
    });
    video.addEventListener("error", () => {
      this.ready = false;
      video.hidden = true;
      told(`The video ${this.name} is not there, or this browser does not play it: choose the file under 'Video' (MP4 with H.264, or WebM).`);
      drawn();
    });
    video.addEventListener("seeked", () => {
      if (this.wanted !== null) this.seek(this.wanted);
    });
  }

  /** info: {name, type, data, url}, or null where the reader has named no video. */
  load(info) {
    if (!info) return;
    this.name = info.name;
    if (info.data) this.video.src = this.address(info);
    else if (info.url) this.video.src = info.url;
    else this.told(`Choose the file ${info.name} under 'Video' to see it under the keypoints.`);
  }

  address({type, data}) {
    return URL.createObjectURL(new Blob([Uint8Array.from(atob(data), (character) => character.charCodeAt(0))], {type}));
  }

  choose(file) {
    this.name = file.name;
    this.video.src = URL.createObjectURL(file);
  }

  /** What makes one doubt that the video belongs to these keypoints. */
  doubts() {
    const {videoWidth: width, videoHeight: height, duration} = this.video;
    const doubts = [];
    if (width && Math.abs(width / height / (this.size[0] / this.size[1]) - 1) > 0.02) {
      doubts.push(`The video has ${width} x ${height} pixels, the keypoints' image ${this.size.join(" x ")}.`);
    }
    const needed = (this.last + 1) / this.fps - this.start / this.fps;
    if (duration < needed - 0.5) {
      doubts.push(`The video lasts ${duration.toFixed(1)} s, the keypoints ${needed.toFixed(1)} s at ${+this.fps.toFixed(3)} frames a second.`);
    }
    return doubts.length ? `${doubts.join(" ")} They may not belong together.` : "";
  }

  /** Shows a frame: the middle of its time, so that rounding meets no neighbour. */
  seek(frame) {
    if (!this.ready) return;
    this.wanted = null;
    if (this.video.seeking) {
      this.wanted = frame; // one at a time; the last one asked for wins
      return;
    }
    const time = Math.max(0, Math.min(this.video.duration || 0, (frame - this.start + 0.5) / this.fps));
    if (Math.abs(time - this.video.currentTime) > 0.1 / this.fps) this.video.currentTime = time;
  }

  play(speed) {
    if (!this.ready) return;
    this.video.playbackRate = speed;
    this.video.play().catch(() => {}); // a browser that refuses leaves the clock to the player
  }

  pause() {
    this.video.pause();
  }

  /** The frame that the playing video shows, null where it plays none. */
  frame() {
    const {video} = this;
    if (!this.ready || video.paused || video.ended || video.seeking) return null;
    return Math.floor(video.currentTime * this.fps + 0.01) + this.start;
  }
}
